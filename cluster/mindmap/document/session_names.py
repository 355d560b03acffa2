"""The generated title and summary of a map, made again when edits change the topics that they name."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.mindmap.document.compose import MAX_SUMMARY_CHARS
from cluster.mindmap.outline.summary import session_title, topics_summary
from models.mindmap.document import CORE_ID, MAX_LABEL_CHARS, MindmapDocument, Node
from models.text import shorten


@dataclass(frozen=True, slots=True)
class _Names:
    title: str
    summary: str


def with_session_named_again(edited: MindmapDocument, generated: MindmapDocument) -> MindmapDocument:
    """`edited` with a title and a summary of its visible topics, where those of `generated` were made of its topics.

    A title of the user and the sentences of a model stay, and so do both where no topic is left to name.
    """
    before, after = _names(generated), _names(edited)
    if after is None or after == before:
        return edited
    shown = _followed(_Names(edited.title, edited.summary), before, after)
    document = edited.model_copy(
        update={
            "title": shown.title,
            "summary": shown.summary,
            "nodes": tuple(_core_named(node, edited, shown) if node.id == CORE_ID else node for node in edited.nodes),
        }
    )
    names = edited.generated_names
    if names is None:
        return document
    without = _followed(
        _Names(names.title, names.summary), *(_names(each, reused=False) for each in (generated, edited))
    )
    return document.model_copy(
        update={"generated_names": names.model_copy(update={"title": without.title, "summary": without.summary})}
    )


def reading_times(document: MindmapDocument) -> dict[str, int]:
    """The time in milliseconds for which the visible pages of each visible topic were read, by topic id, in order."""
    topic_of_pages = document.topic_of_pages()
    dwell_ms = {node.id: 0 for node in document.nodes if node.type == "topic" and not node.data.hidden}
    for page in document.nodes:
        topic = topic_of_pages.get(page.id)
        if topic in dwell_ms and not page.data.hidden:
            dwell_ms[topic] += max(0, page.data.total_duration)
    return dwell_ms


def _names(document: MindmapDocument, *, reused: bool = True) -> _Names | None:
    """What the title and summary are by the visible topics, with generated labels alone if not `reused`.

    None where no topic is visible.
    """
    dwell_ms = reading_times(document)
    if not dwell_ms:
        return None
    labels = {node.id: node.label if reused else node.generated_label for node in document.nodes if node.id in dwell_ms}
    num_pages = sum(node.type == "page" and not node.data.hidden for node in document.nodes)
    summary = topics_summary([(labels[i], dwell_ms[i]) for i in dwell_ms], num_pages, document.language)
    return _Names(session_title(list(labels.values()), document.language), shorten(summary, MAX_SUMMARY_CHARS))


def _followed(names: _Names, before: _Names | None, after: _Names | None) -> _Names:
    """`names` with those of the edited map in place of what was made of the topics before."""
    if before is None or after is None:
        return names
    return _Names(
        after.title if names.title == before.title else names.title,
        after.summary if names.summary == before.summary else names.summary,
    )


def _core_named(core: Node, edited: MindmapDocument, names: _Names) -> Node:
    label = shorten(names.title, MAX_LABEL_CHARS) if names.title != edited.title else core.label
    is_summary = core.data.description == edited.summary
    data = core.data.model_copy(update={"description": names.summary}) if is_summary else core.data
    return core.model_copy(update={"label": label, "data": data})
