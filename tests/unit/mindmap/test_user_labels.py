"""Labels that a user gave in other sessions: for which topics they are reused, and how they go again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import pytest

from cluster.maps.loader import input_digest
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.document.shared_view import shared_view
from cluster.mindmap.document.user_labels import reused_labels
from cluster.mindmap.outline.types import Outline, OutlineTopic, PageAnnotation
from cluster.mindmap.text.meaning import DIMENSIONS
from models.mindmap.diff import diff_documents
from models.mindmap.document import Evidence, Importance, MindmapDocument
from models.mindmap.edits import apply_operations
from models.mindmap.operations import Delete, Rename
from models.mindmap.reused_labels import without_reused_labels
from models.mindmap.user_labels import UserLabel, UserLabels
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from tests.map_exam.reuse import exam_users, reuse_score
from tests.map_exam.sessions import HELD_OUT, HELD_OUT_2

DAY = datetime(2026, 3, 1, tzinfo=UTC)
BREAD, CHESS, MIXED = (100, 0, 0), (0, 100, 0), (71, 70, 0)


def vector(*numbers: int) -> bytes:
    return np.array([*numbers, *[0] * (DIMENSIONS - len(numbers))], dtype=np.int8).tobytes()


def page(name: str, title: str) -> CapturedPage:
    return CapturedPage(name, f"https://{name}.example/", title, f"{title}. " * 20, dwell_ms=1000)


PAGES = [page(f"b{i}", f"Sourdough {i}") for i in range(3)] + [page(f"c{i}", f"Openings {i}") for i in range(3)]
VECTORS = {each.page_id: vector(*(BREAD if each.page_id[0] == "b" else CHESS)) for each in PAGES}


def topic(name: str, label: str, pages: Sequence[str], subtopics: Sequence[OutlineTopic] = ()) -> OutlineTopic:
    quotes = tuple(Evidence(page_id=each.page_id, field="title", quote=each.title) for each in PAGES)
    return OutlineTopic(name, label, "", (), tuple(pages), tuple(subtopics), quotes[:1])


BREAD_TOPIC = topic("t_bread", "Sourdough", ["b0", "b1", "b2"])
CHESS_TOPIC = topic("t_chess", "Openings", ["c0", "c1", "c2"])


def outline(*topics: OutlineTopic, language: str = "en") -> Outline:
    annotations = tuple(
        PageAnnotation(each.page_id, each.title, "", (), (), Importance(score=0.5), language) for each in PAGES
    )
    labels = [each.label for each in topics]
    title = labels[0] if len(labels) == 1 else " and ".join([", ".join(labels[:-1]), labels[-1]])
    return Outline(title, "", "en", topics, annotations)


def label(text: str, like: tuple[int, ...] = BREAD, number: int = 1, **fields: Any) -> UserLabel:
    """A label that the user gave in session `number`, on its day."""
    known = UserLabel(
        session_id=f"session {number}",
        mindmap_id=uuid.UUID(int=number),
        topic_id="t_old",
        label=text,
        kind="topic",
        named_at=DAY + timedelta(days=number),
        page_ids=(f"old {number} a", f"old {number} b"),
        languages=("en",),
        vectors=(vector(*like),),
    )
    return replace(known, **fields)


def chosen(
    *labels: UserLabel, topics: Sequence[OutlineTopic] = (BREAD_TOPIC, CHESS_TOPIC), **of: Any
) -> dict[str, str]:
    newest_first = sorted(labels, key=lambda each: each.named_at, reverse=True)
    known = UserLabels(tuple(newest_first), of.get("unlinked", ()))
    found = reused_labels(outline(*topics, language=of.get("language", "en")), known, of.get("vectors", VECTORS))
    return {topic_id: each.label for topic_id, each in found.items()}


def compose(
    labels: UserLabels,
    previous: MindmapDocument | None = None,
    title: str | None = None,
    provider: str = "local",
) -> MindmapDocument:
    return compose_document(
        outline(BREAD_TOPIC, CHESS_TOPIC),
        PAGES,
        provider=provider,
        session_title=title,
        previous=previous,
        labels=labels,
        vectors=VECTORS,
    )


def topic_labels(document: MindmapDocument) -> list[str]:
    return [node.label for node in document.nodes if node.type == "topic"]


def test_a_topic_about_the_same_subject_gets_the_label_and_others_keep_theirs() -> None:
    assert chosen(label("Our bakery")) == {"t_bread": "Our bakery"}
    assert chosen(label("Tides", (0, 0, 100))) == {}
    assert chosen() == {}


def test_a_topic_that_mixes_two_subjects_gets_no_label() -> None:
    mixed = topic("t_mixed", "Sourdough", ["b0", "b1", "c0", "c1"])
    assert chosen(label("Our bakery"), topics=[mixed]) == {}
    assert chosen(label("Our bakery"), topics=[topic("t", "Sourdough", ["b0", "b1", "c0"])]) == {"t": "Our bakery"}


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_the_newest_label_of_a_subject_counts_and_the_older_one_goes_nowhere(numbers: tuple[int, int]) -> None:
    old, new = label("Bread notes", number=min(numbers)), label("Our bakery", number=max(numbers))
    halves = [topic("t_a", "Sourdough", ["b0", "b1"]), topic("t_b", "Starter", ["b2"])]
    assert chosen(old, new) == {"t_bread": "Our bakery"}
    assert chosen(old, new, topics=halves) == {"t_a": "Our bakery"}


def test_a_much_nearer_label_counts_before_a_newer_one() -> None:
    assert chosen(label("Our bakery", BREAD, 1), label("Both", MIXED, 2)) == {
        "t_bread": "Our bakery",
        "t_chess": "Both",
    }


def test_no_two_topics_get_the_same_words_and_none_those_of_another_topic() -> None:
    twice = [label("Things", BREAD, 1), label("things", CHESS, 2)]
    assert list(chosen(*twice).values()) == ["Things"] or list(chosen(*twice).values()) == ["things"]
    assert chosen(label("openings")) == {}, "another topic of the map has these words"
    assert chosen(label("sourdough")) == {}, "the topic has these words already"
    within = topic("t_bread", "Sourdough", ["b0"], [topic("t_sub", "Starter", ["b1", "b2"])])
    assert chosen(label("Sourdough", kind="subtopic"), topics=[within]) == {}, "its topic has these words"


@pytest.mark.parametrize("kind", ["topic", "subtopic"])
def test_a_label_of_a_topic_is_for_topics_and_one_of_a_sub_topic_for_sub_topics(
    kind: Literal["topic", "subtopic"],
) -> None:
    within = topic("t_bread", "Sourdough", ["b0"], [topic("t_sub", "Starter", ["b1", "b2"])])
    expected = "t_bread" if kind == "topic" else "t_sub"
    assert chosen(label("Our bakery", kind=kind), topics=[within]) == {expected: "Our bakery"}


def test_a_label_needs_a_language_that_the_user_has_used_it_for() -> None:
    korean = label("우리 빵집", languages=("ko",))
    assert chosen(korean, language="en") == {}
    assert chosen(korean, language="ko") == {"t_bread": "우리 빵집"}
    assert chosen(replace(korean, languages=("en", "ko")), language="en") == {"t_bread": "우리 빵집"}
    # The same pages are the same subject in any language, and so is what the user has linked.
    assert chosen(replace(korean, page_ids=("b0", "b1")), language="en") == {"t_bread": "우리 빵집"}
    assert chosen(replace(korean, linked_topic_ids=("t_chess",)), language="en") == {"t_chess": "우리 빵집"}


def test_without_vectors_only_the_same_pages_and_links_count() -> None:
    assert chosen(label("Our bakery"), vectors={}) == {}
    assert chosen(label("Our bakery", vectors=()), vectors=VECTORS) == {}
    assert chosen(label("Our bakery", page_ids=("b0", "b2", "z")), vectors={}) == {"t_bread": "Our bakery"}
    assert chosen(label("Our bakery", page_ids=("b0",)), vectors={}) == {}, "one common page may be a portal"
    assert chosen(label("Our bakery", linked_topic_ids=("t_bread",)), vectors={}) == {"t_bread": "Our bakery"}


def test_a_topic_that_the_user_took_out_of_its_thread_reuses_nothing() -> None:
    assert chosen(label("Our bakery"), unlinked=("t_bread",)) == {}


BAKERY = UserLabels((label("Our bakery, with a name that is longer than labels of ours may be"),))


def test_a_map_shows_the_label_and_where_it_comes_from() -> None:
    document = compose(BAKERY)
    text = BAKERY.labels[0].label
    assert topic_labels(document) == [text, "Openings"]
    node = document.nodes[1]
    assert node.data.label_by == "user"
    assert node.data.reused_from is not None
    assert node.data.reused_from.model_dump() == {
        "session_id": "session 1",
        "topic_id": "t_old",
        "generated_label": "Sourdough",
    }
    assert node.data.evidence, "the pages of the topic are still quoted"
    assert text[:40] in document.title
    assert validate_document(document, PAGES) == []
    assert document.scorecard.grounding == 1.0, "the user's own words are no claim of the map"
    assert document.to_bytes() == compose(BAKERY).to_bytes()
    assert MindmapDocument.from_json(document.to_json()) == document
    assert compose(BAKERY, title="My evening").title == "My evening"


def test_a_label_of_a_model_yields_too() -> None:
    assert topic_labels(compose(BAKERY, provider="openai"))[0] == BAKERY.labels[0].label


def test_without_its_source_a_map_is_as_if_nothing_had_been_reused() -> None:
    plain = compose(UserLabels())
    assert plain.generated_names is None
    document = compose(BAKERY)
    assert without_reused_labels(document, {"session 2"}) is document
    rest = without_reused_labels(document, {"session 1"})
    assert "bakery" not in rest.to_bytes().decode()
    assert "session 1" not in rest.to_bytes().decode()
    assert rest.model_copy(update={"scorecard": plain.scorecard}) == plain


def test_the_labels_of_other_sessions_stay() -> None:
    document = compose(UserLabels((label("Our bakery"), label("Chess club", CHESS, 2))))
    rest = without_reused_labels(document, {"session 1"})
    assert topic_labels(rest) == ["Sourdough", "Chess club"]
    assert "session 1" not in rest.to_bytes().decode()
    assert topic_labels(without_reused_labels(rest, {"session 2"})) == ["Sourdough", "Openings"]


def test_no_trace_stays_in_a_map_that_was_edited() -> None:
    document = compose(BAKERY)
    for edit in (Rename(op_id="1", node_id="t_bread", label="Mine"), Delete(op_id="1", node_id="t_bread")):
        edited, [report] = apply_operations(document, [edit])
        assert report.status in ("applied", "adapted")
        assert "bakery" in edited.title
        rest = without_reused_labels(edited, {"session 1"})
        assert "bakery" not in rest.to_bytes().decode()
        assert "session 1" not in rest.to_bytes().decode()
    renamed, _ = apply_operations(document, [Rename(op_id="1", node_id="core", label="My evening")])
    rest = without_reused_labels(renamed, {"session 1"})
    assert (rest.title, rest.nodes[0].label) == ("My evening", "My evening")


def test_a_name_given_on_this_map_is_not_reused_any_more() -> None:
    edited, _ = apply_operations(compose(BAKERY), [Rename(op_id="1", node_id="t_bread", label="Sourdough")])
    assert edited.nodes[1].label == "Sourdough"
    assert (edited.nodes[1].data.label_by, edited.nodes[1].data.reused_from) == ("user", None)


def test_the_next_version_does_not_keep_a_label_whose_source_is_gone() -> None:
    first = compose(BAKERY)
    assert topic_labels(compose(UserLabels(), previous=first)) == ["Sourdough", "Openings"]
    assert topic_labels(compose(BAKERY, previous=first))[0] == BAKERY.labels[0].label


def test_a_shared_map_does_not_say_where_a_label_comes_from() -> None:
    for level in ("map", "pages", "highlights"):
        shown = shared_view(compose(BAKERY), level, None)
        assert topic_labels(shown)[0] == BAKERY.labels[0].label
        assert "session 1" not in shown.to_bytes().decode()
        assert "generated_" not in shown.to_bytes().decode()


def test_the_changes_of_a_version_say_that_the_name_is_from_another_session() -> None:
    [renamed] = [
        change for change in diff_documents(compose(UserLabels()), compose(BAKERY)) if change.kind == "topic_renamed"
    ]
    assert renamed.why == "You gave it this name in another session."


def test_equal_labels_give_equal_digests_and_no_labels_the_digest_of_before() -> None:
    assert UserLabels((), ("t_1",)).digest == ""
    assert input_digest(PAGES, None, None) == input_digest(PAGES, None, None, labels_digest="")
    assert BAKERY.digest == UserLabels(BAKERY.labels).digest
    others = [
        replace(BAKERY.labels[0], **change)
        for change in ({"label": "x"}, {"named_at": DAY}, {"page_ids": ()}, {"vectors": ()}, {"languages": ()})
    ]
    digests = {UserLabels((each,)).digest for each in others} | {BAKERY.digest}
    assert len(digests) == len(others) + 1


def test_held_out_users_get_their_labels_for_the_same_subjects_only() -> None:
    users = [
        user
        for part, text in ((HELD_OUT, "full"), (HELD_OUT, "none"), (HELD_OUT_2, "full"))
        for user in exam_users(part, 4, text)
    ]
    score = reuse_score(users)
    assert score.possible >= 25
    assert score.precision >= 0.95
    assert score.recall >= 0.4
