"""Pages for the map tests: the bundled sample sessions and small generated sessions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from cluster.mindmap.build import build_map
from cluster.mindmap.evaluation.session_file import pages_from_events, parse_events
from launch.samples import sample_events
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage
from models.urls import page_id

SUBJECTS = {
    "bread": "sourdough starter flour dough oven crust yeast loaf baking hydration crumb proofing",
    "chess": "chess opening knight bishop endgame rook gambit checkmate pawn sicilian castling tempo",
    "tides": "ocean tide moon gravity estuary current wave salinity coast harbour neap spring",
}


def make_page(url: str, title: str = "", text: str = "", **extra: object) -> CapturedPage:
    return CapturedPage(page_id=page_id(url), url=url, title=title, text=text, **extra)  # type: ignore[arg-type]


def make_session(per_subject: int = 5, subjects: Sequence[str] = tuple(SUBJECTS)) -> list[CapturedPage]:
    """A session that changes the subject at every page, so that the order carries no information."""
    pages = []
    for i in range(per_subject):
        for j, subject in enumerate(subjects):
            words = SUBJECTS[subject].split()
            turned = words[i % len(words) :] + words[: i % len(words)]
            lead = f"{subject.capitalize()} {turned[0]} and {turned[1]} explained in lesson {i}."
            body = " ".join(f"The {a} meets the {b}." for a, b in pairwise(turned))
            order = i * len(subjects) + j
            pages.append(
                make_page(
                    f"https://site{order}.example/{subject}/{i}",
                    f"{subject.capitalize()} {turned[0]}",
                    f"{lead}\n{body}",
                    dwell_ms=10_000 * (1 + i),
                    visited_at_ms=(1_700_000_000_000 + order * 60_000,),
                    visit_order=(order,),
                )
            )
    return pages


@lru_cache
def sample_pages(name: str) -> tuple[CapturedPage, ...]:
    return tuple(pages_from_events(parse_events(sample_events(name).read_bytes())))


@lru_cache
def sample_map(name: str) -> MindmapDocument:
    return build_map(sample_pages(name))
