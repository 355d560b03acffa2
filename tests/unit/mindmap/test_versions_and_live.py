"""Maps that grow while a session is recorded, differences of versions, and threads through sessions."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.clustering.session_merging import merge_sessions
from cluster.mindmap.clustering.stability import adjusted_rand_index
from cluster.mindmap.clustering.thread_matching import (
    Thread,
    TopicProfile,
    find_threads,
    topic_profiles,
)
from cluster.mindmap.document.edit_layout import apply_edits
from cluster.mindmap.document.stable_ids import pages_by_group
from cluster.mindmap.live.live_map import LiveMap, regroup
from models.mindmap.diff import diff_documents
from models.mindmap.document import MindmapDocument
from models.mindmap.operations import EDIT_LOG_ADAPTER, operations_in_effect
from models.mindmap.validation import validate_document
from tests.support.map_sessions import make_page, make_session, sample_map, sample_pages


def moved_share(old: MindmapDocument, new: MindmapDocument, layout: str) -> float:
    """Median distance by which common nodes moved, as a share of the larger of width and height."""
    if layout == "galaxy":
        before = {n.id: (n.position.x, n.position.y, n.position.z) for n in old.nodes}
        after = {n.id: (n.position.x, n.position.y, n.position.z) for n in new.nodes}
    else:
        before = {i: (p.x, p.y, 0.0) for i, p in old.layouts[layout].items()}
        after = {i: (p.x, p.y, 0.0) for i, p in new.layouts[layout].items()}
    canvas = max(max(p[k] for p in before.values()) - min(p[k] for p in before.values()) for k in (0, 1))
    both = sorted(set(before) & set(after))
    moves: list[float] = [sum((a - b) ** 2 for a, b in zip(before[i], after[i], strict=True)) ** 0.5 for i in both]
    return statistics.median(moves) / canvas


def test_an_added_page_does_not_move_other_nodes() -> None:
    for name in ("02-web-app-week", "05-mixed-korean-english"):
        pages = list(sample_pages(name))
        shares: dict[str, list[float]] = {"galaxy": [], "tree": [], "radial": []}
        for left in range(0, len(pages), 8):
            before = build_map(pages[:left] + pages[left + 1 :])
            after = build_map(pages, previous=before)
            for layout, values in shares.items():
                values.append(moved_share(before, after, layout))
        for layout, values in shares.items():
            assert statistics.median(values) < 0.05, (name, layout, values)


@pytest.mark.timeout(900)  # 25 s on an idle core, many times that on a busy machine.
@pytest.mark.slow
def test_a_live_map_keeps_its_ids() -> None:
    # Short texts suffice: the number of pages takes the time.
    names = ("06-long-research", "02-web-app-week", "04-korean-office")
    pages = sorted(
        (replace(page, text=page.text[:600]) for name in names for page in sample_pages(name)),
        key=lambda page: (page.visited_at_ms, page.page_id),
    )[:200]
    live = LiveMap()
    seen: set[str] = set()
    maps = [live.document]
    for i, page in enumerate(pages):
        delta = live.add_page(page)
        maps.append(live.document)
        seen |= {node.id for node in live.document.nodes}
        assert page.page_id in {node.id for node in delta.nodes} | set(delta.excluded_page_ids)
        if i % 40 == 0:
            assert validate_document(live.document, pages[: i + 1]) == []
    assert validate_document(live.document, pages) == []
    final = {node.id for node in live.document.nodes}
    assert len(seen & final) >= 0.95 * len(seen)
    galaxy = [moved_share(old, new, "galaxy") for old, new in pairwise(maps[10:])]
    assert statistics.mean(share < 0.05 for share in galaxy) > 0.9


def test_deltas_reproduce_the_map() -> None:
    pages = make_session(per_subject=5)
    live = LiveMap()
    nodes: dict[str, object] = {node.id: node for node in live.document.nodes}
    edges: dict[tuple[str, str], object] = {}
    for page in pages:
        delta = live.add_page(page)
        nodes = {i: n for i, n in nodes.items() if i not in delta.removed_node_ids}
        nodes |= {node.id: node for node in delta.nodes}
        edges = {pair: e for pair, e in edges.items() if pair not in delta.removed_edges}
        edges |= {(edge.source, edge.target): edge for edge in delta.edges}
    assert nodes == {node.id: node for node in live.document.nodes}
    assert edges == {(edge.source, edge.target): edge for edge in live.document.edges}


def test_an_updated_page_removes_no_node() -> None:
    pages = make_session(per_subject=4)
    live = LiveMap()
    live.add_pages(pages)
    delta = live.add_page(replace(pages[3], dwell_ms=pages[3].dwell_ms + 60_000))
    assert delta.removed_node_ids == ()
    assert pages[3].page_id in {node.id for node in delta.nodes}


def test_pages_can_be_placed_while_a_regrouping_runs() -> None:
    pages = list(sample_pages("06-long-research"))
    live = LiveMap()
    live.add_pages(pages[:60])
    for page in pages[60:95]:
        live.place_pages([page])
        excluded = {excluded_page.page_id for excluded_page in live.document.excluded_pages}
        assert page.page_id in {node.id for node in live.document.nodes} | excluded
    assert live.needs_regrouping, "place_pages does not group a long session"
    regrouping = regroup(live.features(), None, None)
    live.place_pages(pages[95:100])
    live.apply_regrouping(regrouping)
    assert validate_document(live.document, pages[:100]) == []
    assert live.document.coverage.captured == 100
    # Topics of pages placed one by one agree with those of a grouping of all pages.
    whole = LiveMap()
    whole.add_pages(pages[:100])
    topics = [
        {p: t for t, inside in pages_by_group(m.document).items() if t[0] == "t" for p in inside} for m in (live, whole)
    ]
    placed = sorted(set(topics[0]) & set(topics[1]))
    assert adjusted_rand_index([topics[0][p] for p in placed], [topics[1][p] for p in placed]) > 0.9


def test_equal_maps_have_no_differences() -> None:
    document = sample_map("01-money-and-stars")
    assert diff_documents(document, document) == []


def test_edits_are_described_as_changes() -> None:
    document = build_map(make_session(per_subject=6))
    topics = [node.id for node in document.nodes if node.type == "topic"]
    pages = [node.id for node in document.nodes if node.type == "page"]
    parents = document.parents()
    stray = next(page for page in pages if parents[page] == topics[2] or parents.get(parents[page]) == topics[2])
    log = [
        {"op": "rename", "op_id": "1", "node_id": topics[0], "label": "Loaves"},
        {"op": "merge", "op_id": "2", "node_ids": topics[:2]},
        {"op": "move", "op_id": "3", "node_id": stray, "parent_id": topics[0]},
        {"op": "delete", "op_id": "4", "node_id": pages[0]},
    ]
    edited, _ = apply_edits(document, operations_in_effect(EDIT_LOG_ADAPTER.validate_python(log)))
    changes = diff_documents(document, edited)
    kinds = {change.kind for change in changes}
    assert {"topic_renamed", "topics_merged", "page_moved", "page_left_out"} <= kinds
    renamed = next(change for change in changes if change.kind == "topic_renamed")
    assert "Loaves" in renamed.sentence
    assert renamed.why == "You named it."
    back = {change.kind for change in diff_documents(edited, document)}
    assert {"topic_split", "page_placed"} <= back


def test_new_pages_are_described_as_changes() -> None:
    pages = make_session(per_subject=5)
    changes = diff_documents(build_map(pages[:-1]), build_map(pages))
    assert [change.kind for change in changes if change.kind.startswith("page_")] == ["page_added"]


def _threads(
    sessions: Sequence[tuple[str, MindmapDocument]], unlinked: Collection[tuple[str, str]] = ()
) -> list[Thread]:
    return find_threads([t for name, document in sessions for t in topic_profiles(name, document)], unlinked=unlinked)


def test_recurring_subjects_become_threads() -> None:
    monday = build_map(make_session(per_subject=5, subjects=("bread", "chess")))
    tuesday = build_map(
        [make_page(p.url.replace("site", "other"), p.title, p.text) for p in make_session(5, ("chess", "tides"))]
    )
    unrelated = sample_map("01-money-and-stars")
    sessions = [("mon", monday), ("tue", tuesday), ("wed", unrelated)]
    threads = _threads(sessions)
    assert [thread.label for thread in threads] == ["Chess"]
    [thread] = threads
    assert [member.session_id for member in thread.members] == ["mon", "tue"]
    assert "chess" in thread.terms
    assert 0.4 <= thread.confidence <= 1
    assert _threads(sessions, unlinked={("tue", thread.members[1].topic_id)}) == []


def test_threads_through_hundreds_of_sessions() -> None:
    recurring = {0: "chess rook gambit", 7: "bread yeast crust", 150: "bread yeast crust", 299: "chess rook gambit"}
    profiles = []
    for i in range(300):
        words = recurring.get(i, f"word{i} other{i}").split()
        counts = Counter(dict.fromkeys(words, 4) | {"common": 1})
        profiles.append(TopicProfile(f"s{i:03}", f"t_{i}", words[0].title(), {f"p_{i}"}, {f"host{i}"}, counts))
    threads = find_threads(profiles)
    sessions = sorted([m.session_id for m in thread.members] for thread in threads)
    assert sessions == [["s000", "s299"], ["s007", "s150"]]


def test_a_map_over_several_sessions() -> None:
    monday = make_session(per_subject=4, subjects=("bread", "chess"))
    tuesday = make_session(per_subject=5, subjects=("chess", "tides"))
    pages = merge_sessions([tuesday, monday])
    assert len(pages) == len({page.page_id for page in [*monday, *tuesday]})
    document = build_map(pages)
    assert validate_document(document, pages) == []
    labels = {node.label.lower() for node in document.nodes if node.type == "topic"}
    assert {"bread", "chess", "tides"} <= {label.split()[0] for label in labels}
    assert merge_sessions([monday, tuesday]) == merge_sessions([tuesday, monday])
