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


#: The sections of each chapter of a handbook about sailing.
HANDBOOK = {
    "Navigation": "compass tides radar lighthouse sextant buoys",
    "Rigging": "halyard mast shroud spinnaker winch splice",
    "Weather": "fog squall thunder barometer monsoon swell",
    "Repair": "hull varnish caulking rudder bilge sandpaper",
    "Galley": "stove kettle provisions freezer bread coffee",
}
_SAILING = """
    sailing boat crew harbour skipper sail deck anchor keel cabin knot rope voyage yacht regatta tiller helm jib boom
    mooring fender pontoon berth hatch lifejacket cockpit stern bow starboard port cleat dinghy
"""


def make_handbook() -> list[CapturedPage]:
    """210 pages about sailing, a handbook of five chapters with six sections each, and 60 about other subjects."""
    pages, vocabulary = make_session(per_subject=20), _SAILING.split()
    for chapter, sections in HANDBOOK.items():
        for section in sections.split():
            for part in range(1, 8):
                number = len(pages)
                words = [vocabulary[(number * step + step) % len(vocabulary)] for step in range(1, 25)]
                sailing = " ".join(f"The {a} is near the {b}." for a, b in pairwise(words))
                text = f"{sailing}\nPart {part} of {chapter.lower()}: the {section}.\nA {section} and its {words[0]}."
                pages.append(
                    make_page(
                        f"https://sailing.example/{chapter.lower()}/{section}/{part}",
                        f"{chapter}: {section}, part {part} of sailing with a {words[0]}",
                        text,
                        dwell_ms=20_000 + 1_000 * (number % 40),
                        visited_at_ms=(1_700_000_000_000 + number * 60_000,),
                        visit_order=(number,),
                    )
                )
    return pages


@lru_cache
def handbook_map() -> MindmapDocument:
    """The map of `make_handbook`, which has three levels of topics."""
    return build_map(make_handbook())


@lru_cache
def sample_pages(name: str) -> tuple[CapturedPage, ...]:
    return tuple(pages_from_events(parse_events(sample_events(name).read_bytes())))


@lru_cache
def sample_map(name: str) -> MindmapDocument:
    return build_map(sample_pages(name))
