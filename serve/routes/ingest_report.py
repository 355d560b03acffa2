"""The ingest report of a session (`/receipt` in the API): what happened to every event its client sent."""

from __future__ import annotations

from fastapi import APIRouter

from models.recording.browsing_sessions import owned_session, parse_session_id
from models.recording.ingest_report import MAX_GAPS, load_ingest_report
from models.recording.timeline_snapshots import load_snapshot
from models.schemas.ingest_report import ErrorPages, Gap, InvalidReason, ReceiptEnvelope, ReceiptReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["events"])
MAX_TYPES = 100


@router.get("/receipt", response_model_exclude_none=True)
async def receipt(session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection) -> ReceiptEnvelope:
    """What was seen, stored, a repeat, kept out by which rule, invalid and why, and which numbers never came.

    An excluded event leaves only the name of the rule: neither its address nor its text was stored.
    """
    session = await owned_session(db, parse_session_id(session_id), user_id)
    snapshot = await load_snapshot(connection, session.id)
    report = snapshot.report if snapshot else await load_ingest_report(connection, session.id, max_gaps=MAX_GAPS)
    num_stored = sum(report.stored_by_type.values())
    num_excluded, num_invalid = sum(report.excluded_by_reason.values()), sum(report.invalid_by_reason.values())
    return ReceiptEnvelope(
        receipt=ReceiptReply(
            session_id=str(session.id),
            seen=num_stored + report.num_duplicates + num_excluded + num_invalid,
            stored=num_stored,
            duplicate=report.num_duplicates,
            excluded=num_excluded,
            excluded_on_device=session.num_excluded_on_device,
            invalid=num_invalid,
            by_type=dict(list(report.stored_by_type.items())[:MAX_TYPES]),
            excluded_by=_reasons(report.excluded_by_reason),
            invalid_because=_reasons(report.invalid_by_reason),
            error_pages=[
                ErrorPages(http_status=status, count=count) for status, count in report.error_pages_by_status.items()
            ],
            gaps=[Gap(first=first, last=last) for first, last in report.gaps],
            missing=report.num_missing,
            last_seq=report.last_seq,
            first_event_at=report.first_event_at,
            last_event_at=report.last_event_at,
        )
    )


def _reasons(counts: dict[str, int]) -> list[InvalidReason]:
    return [InvalidReason(reason=reason, count=count) for reason, count in counts.items()]
