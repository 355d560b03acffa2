"""Request and response bodies of a session's mind map."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.mindmap.notes import MapNote
from models.schemas.base import Body, Reply, Time


class GenerateBody(Body):
    """`force` generates a new version even when nothing has changed."""

    force: bool = False


class EditReportReply(Reply):
    """The outcome of one edit; `sentence` is for the user, in English."""

    op_id: str
    op: str
    status: Literal["applied", "adapted", "not_applied"]
    sentence: str
    node_id: str | None = None
    reason: str | None = Field(default=None, description="Why it was not applied, as a stable code")


class EditsState(Reply):
    """The edits of the map: send `seq` as `expected_seq`; `not_applied` edits do not fit this version."""

    seq: int
    num_in_effect: int
    can_undo: bool
    can_redo: bool
    not_applied: list[EditReportReply]


class OfferedVersion(Reply):
    """A version made without a model, which the user may restore instead of the model's version shown."""

    number: int
    notes: list[MapNote] = Field(description="Why no model was used, as codes with their values")
    created_at: Time


class MindmapReply(Reply):
    """The progress of a map and its current version (`data`), which stays while a new one is generated.

    A `completed` map with `error_code` shows its last good version: the generation after it failed.
    """

    id: str
    session_id: str
    status: Literal["pending", "generating", "completed", "failed"]
    stage: str | None = None
    percent: int | None = None
    version: int | None = None
    version_created_at: Time | None = None
    offered_version: OfferedVersion | None = None
    provider: str | None = None
    data: dict[str, Any] | None = Field(
        default=None,
        description="The map. A node whose `data` has `reused_from` has a label that the user gave in another session",
    )
    edits: EditsState | None = None
    error_message: str | None = None
    error_code: str | None = Field(default=None, description="Why the last generation failed, as a stable code")
    created_at: Time
    updated_at: Time


class MindmapEnvelope(Reply):
    """`{"mindmap": …}`"""

    mindmap: MindmapReply


class PictureLink(Reply):
    """A link to the map's image that needs no login."""

    url: str
    expires_at: Time
