"""What the versions of a session's map and of a map over several sessions have in common."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Path
from sqlalchemy import ColumnElement, cast, func, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import NotFound
from models.mindmap.diff import Change, diff_documents
from models.mindmap.document import MindmapDocument
from models.mindmap.joint_maps import JointMapVersion
from models.mindmap.versions import MindmapVersion
from models.schemas.versions import ChangeReply, DiffReply
from serve.routes.mindmaps import report_reply

Number = Annotated[int, Path(ge=1, le=1_000_000)]
_Version = type[MindmapVersion] | type[JointMapVersion]


def list_columns(version: _Version) -> tuple[Any, ...]:
    """The columns of a list of versions, without the documents: each has up to a megabyte."""
    return (
        version.number,
        version.provider,
        version.input_digest,
        version.edits_seq,
        version.edit_reports,
        version.restored_from,
        version.created_at,
        version.data["coverage"].label("coverage"),
        version.data["title"].astext.label("title"),
        func.jsonb_array_length(
            func.jsonb_path_query_array(version.data, cast('$.nodes[*] ? (@.type == "topic")', JSONPATH))
        ).label("num_topics"),
    )


def version_fields(row: Any, current: int | None) -> dict[str, Any]:
    """The fields of a version's reply from a row of `list_columns`."""
    return {
        "number": row.number,
        "is_current": row.number == current,
        "provider": row.provider,
        "input_digest": row.input_digest,
        "title": row.title or "",
        "num_topics": row.num_topics or 0,
        "num_pages": (row.coverage or {}).get("on_map", 0),
        "edits_seq": row.edits_seq,
        "edits_not_applied": [report_reply(r) for r in row.edit_reports if r["status"] == "not_applied"],
        "restored_from": row.restored_from,
        "created_at": row.created_at,
    }


async def version_document(
    db: AsyncSession, version: _Version, of_map: ColumnElement[bool], number: int
) -> dict[str, Any]:
    """The document of version `number`. Raises NotFound."""
    data = await db.scalar(select(version.data).where(of_map, version.number == number))
    if data is None:
        raise NotFound("there is no such version")
    return dict(data)


async def diff_reply(db: AsyncSession, version: _Version, of_map: ColumnElement[bool], old: int, new: int) -> DiffReply:
    """The differences from version `old` to version `new`. Raises NotFound."""
    before = await version_document(db, version, of_map, old)
    after = await version_document(db, version, of_map, new)

    def compare() -> list[Change]:
        return diff_documents(MindmapDocument.from_json(before), MindmapDocument.from_json(after))

    changes = await asyncio.to_thread(compare)
    return DiffReply(
        old=old,
        new=new,
        changes=[ChangeReply(kind=c.kind, sentence=c.sentence, why=c.why, node_ids=list(c.node_ids)) for c in changes],
    )
