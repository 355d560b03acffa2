"""`make bench-identity ARGS="--before DIR"`: what the rules for pages cost, beside another checkout of the project.

Which page an event belongs to, whether its site may be recorded, what its timeline is and which visits are one page:
each step is measured over the bundled sample sessions (their addresses, as they are and with real parameters), in this
checkout and in the one at DIR, alternating in one process. Each step starts with empty caches, as in a new process.
Prints one JSON object per step: the medians in microseconds of processor time for one address, event or page, and
`ratio`, the median of DIR divided by the one here (above 1: faster here). Without DIR only this checkout is measured.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.machine import add_busy_option, require_quiet_machine

ROOT = Path(__file__).parents[1]
_PACKAGES = ("models", "cluster", "launch")
_MODULES = (
    "models.urls",
    "models.recording.exclusions",
    "models.recording.timeline",
    "models.recording.ingest",
    "cluster.mindmap.pages.features",
)
#: How often a session repeats the sites of the one before it.
_COPIES = 4

Step = Callable[[], object]


class Checkout:
    """The modules of one checkout, and the steps that are measured."""

    def __init__(self, root: Path) -> None:
        with _imports_from(root):
            self._modules = {name: importlib.import_module(name) for name in _MODULES}
            try:
                self._same_pages: ModuleType | None = importlib.import_module("models.recording.same_pages")
            except ModuleNotFoundError:  # before pages were compared
                self._same_pages = None
            self._loaded = [module for name, module in sys.modules.items() if name.split(".")[0] in _PACKAGES]

    def clear_caches(self) -> None:
        """Forget what earlier rounds computed."""
        for value in [value for module in self._loaded for value in vars(module).values()]:
            members = [getattr(value, name) for name in vars(value)] if isinstance(value, type) else [value]
            for member in members:
                if callable(clear := getattr(member, "cache_clear", None)):
                    clear()

    def timeline(self, events: list[dict[str, Any]]) -> tuple[Callable[[], Any], dict[str, str]]:
        """What builds the timeline of `events`, and the texts of its pages by key."""
        module = self._modules["models.recording.timeline"]
        contents: dict[str, str] = {}
        stored = []
        for i, event in enumerate(events):
            key = f"{i:08d}"
            if event.get("content"):
                contents[key] = event["content"]
            at = int(event["timestamp"])
            stored.append(
                module.TimelineEvent(key, event["type"], at, at, event, None, key if key in contents else None)
            )
        span = module.SessionSpan(min(event.occurred_ms for event in stored), None)
        return (lambda: module.build_timeline(stored, span)), contents

    def pages(self, timeline: Any, contents: dict[str, str]) -> list[Any]:
        """The pages of `timeline`; compared with each other if this checkout does that."""
        if self._same_pages is not None:
            comparison = self._same_pages.Comparison(timeline)
            timeline = comparison.reconcile({key: contents[key] for key in comparison.content_keys})
        pages: list[Any] = self._modules["models.recording.timeline"].captured_pages(timeline, contents)
        return pages

    def steps(self, sessions: list[list[dict[str, Any]]], parameters: list[str]) -> Iterator[tuple[str, int, Step]]:
        """Each step: its name, how many addresses, events or pages it reads, and what runs it."""
        urls, exclusions = self._modules["models.urls"], self._modules["models.recording.exclusions"]
        ingest, features = self._modules["models.recording.ingest"], self._modules["cluster.mindmap.pages.features"]
        addresses = [event["url"] for events in sessions for event in events if event.get("url")]
        yield "exclusion rule", len(addresses), _each(exclusions.default_exclusion_rule, addresses)
        yield "exclusion rule, parameters", len(parameters), _each(exclusions.default_exclusion_rule, parameters)
        yield "page identity", len(addresses), _each(urls.page_id, addresses)
        yield "page identity, parameters", len(parameters), _each(urls.page_id, parameters)
        bodies = [(_body(events), len(events)) for events in sessions]
        num_events = sum(count for _, count in bodies)
        yield "ingest", num_events, lambda: [_parsed(ingest, body) for body, _ in bodies]
        small = [_body([_scroll(f"https://docs.example.com/a/b-{i % 31}", i) for i in range(100)])] * 20
        yield "ingest, small events", 2_000, lambda: [_parsed(ingest, body) for body in small]
        queries = [_body([_scroll(url, i) for i, url in enumerate(part)]) for part in _parts(parameters, 100)]
        yield "ingest, parameters", len(parameters), lambda: [_parsed(ingest, body) for body in queries]
        built = [self.timeline(events) for events in sessions]
        yield "timeline", num_events, lambda: [build() for build, _ in built]
        timelines = [(build(), contents) for build, contents in built]
        pages = [page for timeline, contents in timelines for page in self.pages(timeline, contents)]
        yield "pages", len(pages), lambda: [self.pages(timeline, contents) for timeline, contents in timelines]
        yield (
            "timeline and pages",
            len(pages),
            lambda: [self.pages(build(), contents) for build, contents in built],
        )
        yield "words of pages", len(pages), _each(features.page_features, pages)


def _each(function: Callable[[Any], object], arguments: list[Any]) -> Step:
    def run() -> None:
        for argument in arguments:
            function(argument)

    return run


def _parsed(ingest: ModuleType, body: bytes) -> object:
    return ingest.parse_batch(body, user_id=uuid.UUID(int=0), session_id=uuid.UUID(int=0))


def _scroll(url: str, number: int) -> dict[str, Any]:
    return {"type": "scroll", "timestamp": 1_760_000_000_000 + number, "url": url, "scroll_depth": 0.5}


def _body(events: list[dict[str, Any]]) -> bytes:
    """A request with `events`, each with an id as the extension sends it."""
    return json.dumps(
        {"events": [{"event_id": str(uuid.UUID(int=i)), **event} for i, event in enumerate(events)]}
    ).encode()


def _parts(addresses: list[str], size: int) -> list[list[str]]:
    return [addresses[i : i + size] for i in range(0, len(addresses), size)]


@contextmanager
def _imports_from(root: Path) -> Iterator[None]:
    """Import the project's packages from `root`, and forget them afterwards, so that another checkout can follow."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] in _PACKAGES]:
            del sys.modules[name]

    forget()
    # An editable installation finds packages by a hook, before the path.
    finders = [finder for finder in sys.meta_path if "editable" in getattr(finder, "__module__", "")]
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in finders]
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        sys.meta_path[:0] = finders
        forget()


def sample_sessions() -> list[list[dict[str, Any]]]:
    """The events of the bundled samples, and copies with other addresses on the same sites."""
    sessions = []
    for path in sorted((ROOT / "launch" / "samples").glob("*.events.json")):
        data = json.loads(path.read_text("utf-8"))
        events = data["events"] if isinstance(data, dict) else data
        for copy in range(_COPIES):
            sessions.append(
                [event | {"url": f"{event['url']}/{copy}"} if copy and event.get("url") else event for event in events]
            )
    return sessions


def main() -> None:
    """Measure each step in both checkouts, alternating."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout of the project, such as a git worktree")
    parser.add_argument("--rounds", type=int, default=15)
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    sessions = sample_sessions()
    table = json.loads((ROOT / "tests/unit/models/url_parameters.json").read_text("utf-8"))
    originals = list(dict.fromkeys(row["url"] for row in table))
    # As in a process that has run for a while, most names are known and most values are new.
    parameters = [f"{url}{copy or ''}" for copy in range(_COPIES) for url in originals]
    checkouts = {"here": Checkout(ROOT)}
    if arguments.before:
        checkouts["before"] = Checkout(arguments.before.resolve())
    steps = {name: list(checkout.steps(sessions, parameters)) for name, checkout in checkouts.items()}
    for i, (title, count, _) in enumerate(steps["here"]):
        times: dict[str, list[float]] = {name: [] for name in checkouts}
        for turn in range(arguments.rounds):
            # In turns which of the two is first.
            for name in sorted(checkouts, reverse=bool(turn % 2)):
                checkouts[name].clear_caches()
                gc.collect()
                began = time.process_time()
                steps[name][i][2]()
                times[name].append((time.process_time() - began) * 1e6 / count)
        medians = {name: statistics.median(found) for name, found in times.items()}
        result: dict[str, Any] = {"step": title, "count": count, "here_us": round(medians["here"], 2)}
        if "before" in medians:
            result |= {
                "before_us": round(medians["before"], 2),
                "ratio": round(medians["before"] / medians["here"], 3),
            }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
