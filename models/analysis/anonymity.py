"""k-anonymity: among how many people the quasi-identifiers of each row leave its person.

Sweeney, L. (2002): k-anonymity: a model for protecting privacy. International Journal of Uncertainty, Fuzziness and
Knowledge-based Systems 10 (5), 557-570. A table is k-anonymous when every combination of quasi-identifiers in it is
shared by at least k rows. We count people instead of rows: one person's several sessions hide no one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuasiIdentifiers:
    """What others may know about a person's session besides its content."""

    sites: tuple[str, ...]
    hour: int | None
    language: str

    def by_name(self) -> dict[str, Hashable]:
        """Each one alone, and all together."""
        return {
            "sites": self.sites,
            "hour": self.hour,
            "language": self.language,
            "sites, hour and language": (self.sites, self.hour, self.language),
        }


#: The name of the figure that counts: all quasi-identifiers together.
ALL = "sites, hour and language"


@dataclass(frozen=True, slots=True)
class AnonymityFigure:
    """`k` is the size in people of the smallest group; None without rows. `num_alone` rows are in a group of one."""

    k: int | None
    num_groups: int
    num_alone: int


def group_sizes(keys: Sequence[Hashable], people: Sequence[str]) -> list[int]:
    """For each row the number of people whose rows have the same key."""
    members: defaultdict[Hashable, set[str]] = defaultdict(set)
    for key, person in zip(keys, people, strict=True):
        members[key].add(person)
    return [len(members[key]) for key in keys]


def anonymity_figures(identifiers: Sequence[QuasiIdentifiers], people: Sequence[str]) -> Mapping[str, AnonymityFigure]:
    """The figure for each quasi-identifier alone and for all of them together."""
    named = [each.by_name() for each in identifiers]
    figures = {}
    for name in QuasiIdentifiers((), None, "").by_name():
        keys = [values[name] for values in named]
        sizes = group_sizes(keys, people)
        figures[name] = AnonymityFigure(min(sizes, default=None), len(set(keys)), sizes.count(1))
    return figures
