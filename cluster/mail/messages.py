"""The mails of the product, in Korean and English; their texts are the Jinja templates beside this module.

A template extends one of two layouts, plain text or MJML, and sets `subject`, `intro`, and where it has them
`link_label`, `note` and further parts that the layouts list. MJML becomes HTML that mail programs display alike. A
variable that a template needs and does not receive raises instead of leaving a gap.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cluster.mail.data_kind_names import DATA_KIND_NAMES
from models.accounts.data_kinds import DataKind
from models.text import shorten

if TYPE_CHECKING:
    from jinja2 import Environment

Language = Literal["ko", "en"]
TEMPLATES = Path(__file__).parent / "templates"


def preferred_language(accept_language: str) -> Language:
    """The first supported language in a browser's `Accept-Language`; Korean if it names none. Weights are ignored."""
    for item in accept_language.lower().split(","):
        language = item.partition(";")[0].strip().partition("-")[0]
        if language in ("ko", "en"):
            return "en" if language == "en" else "ko"
    return "ko"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture inside the mail, which its HTML shows as `cid:` and this id: nothing is loaded from a server."""

    content_id: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail without its address. `kind` names it in logs.

    `unsubscribe_url` is set for optional mails only: the link that turns them off.
    """

    kind: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str | None = None
    pictures: tuple[Picture, ...] = ()

    @property
    def is_optional(self) -> bool:
        """Whether users can turn this mail off."""
        return self.unsubscribe_url is not None


@dataclass(frozen=True, slots=True)
class ReportedPage:
    """A page in the report of a session; `active_time` is worded already."""

    title: str
    host: str
    active_time: str


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What the report of a session says. `map_png` is None if the picture could not be drawn."""

    title: str
    summary: str
    period: str
    active_time: str
    num_pages: int
    keywords: tuple[str, ...]
    pages: tuple[ReportedPage, ...]
    map_png: bytes | None


@functools.cache
def _environment(*, is_html: bool) -> Environment:
    # On first use: the import takes about 50 ms, which the start of an API replica saves.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    return Environment(loader=loader, autoescape=is_html, undefined=StrictUndefined)  # noqa: S701 - plain text mails


def _render(
    kind: str,
    template: str,
    language: Language,
    *,
    link: str | None = None,
    unsubscribe_url: str | None = None,
    pictures: tuple[Picture, ...] = (),
    **variables: Any,
) -> Mail:
    # On first use, as Jinja.
    from mjml import mjml2html

    name = f"{template}.{language}.j2"
    context = {"link": link, "language": language, "unsubscribe_url": unsubscribe_url, **variables}
    text = _environment(is_html=False).get_template(name).make_module({**context, "layout": "layout.txt.j2"})
    mjml = _environment(is_html=True).get_template(name).make_module({**context, "layout": "layout.mjml.j2"})
    # One line: a line break in a title would end the header.
    subject = " ".join(str(text.subject).split())  # type: ignore[attr-defined] # what the template exports
    return Mail(kind, subject, str(text), mjml2html(str(mjml)), unsubscribe_url, pictures)


def password_reset_mail(language: Language, link: str) -> Mail:
    """The link with which a user who forgot the password sets a new one."""
    return _render("reset", "password_reset", language, link=link)


def verification_mail(language: Language, link: str) -> Mail:
    """The link that confirms a user's address."""
    return _render("verify", "verification", language, link=link)


def sign_up_mail(language: Language, link: str) -> Mail:
    """The link with which the owner of an address finishes the sign-up by choosing a password."""
    return _render("sign_up", "sign_up", language, link=link)


def account_exists_mail(language: Language, link: str) -> Mail:
    """Tells the owner of an account that its address was used to sign up again; `link` sets a new password."""
    return _render("account_exists", "account_exists", language, link=link)


def choose_password_mail(language: Language, link: str) -> Mail:
    """The link with which the owner of an address gets an account that another person may have made with it."""
    return _render("choose_password", "choose_password", language, link=link)


def password_changed_mail(language: Language) -> Mail:
    """Warns the owner of an account that its password was changed. Users cannot opt out of it."""
    return _render("password_changed", "password_changed", language)


def retention_mail(language: Language, num_sessions: int, first_at: datetime, link: str) -> Mail:
    """Announces that `num_sessions` will be deleted, the first of them on the day of `first_at` (UTC)."""
    return _render(
        "retention", "retention", language, link=link, num_sessions=num_sessions, first_on=f"{first_at:%Y-%m-%d}"
    )


def account_closed_mail(language: Language, days: int) -> Mail:
    """Says that the account is closed and that its data is deleted in `days`."""
    return _render("account_closed", "account_closed", language, days=days)


#: Changes of a subscription that a mail reports; `models.billing.mirror.Change` lists all.
_BILLING_MAILS = frozenset(
    {
        "started",
        "interval_changed",
        "cancellation_scheduled",
        "cancellation_undone",
        "ended",
        "refunded",
        "payment_failed",
        "payment_action_required",
        "pack_bought",
        "payment_recovered",
    }
)


def billing_mail(language: Language, change: str, plan: str, at: datetime | None, link: str) -> Mail | None:
    """Reports a change of the subscription, or None for a change without a mail. Users cannot opt out of it.

    `plan` is the id of the plan, or the new interval (`monthly`, `yearly`) of `interval_changed`.
    """
    if change not in _BILLING_MAILS:
        return None
    name = f"billing_{change}"
    return _render(
        name, name, language, link=link, plan=plan, plan_name=plan.capitalize(), on=f"{at:%Y-%m-%d}" if at else ""
    )


#: The id of the map's picture within a mail.
MAP_CONTENT_ID = "map"
_MAX_SUBJECT_TITLE_CHARS = 80


def session_report_mail(language: Language, report: SessionReport, link: str, unsubscribe_url: str) -> Mail:
    """The report of a session whose map is ready; `link` opens it. Optional."""
    pictures = (Picture(MAP_CONTENT_ID, report.map_png),) if report.map_png is not None else ()
    return _render(
        "session_report",
        "session_report",
        language,
        link=link,
        unsubscribe_url=unsubscribe_url,
        pictures=pictures,
        picture=f"cid:{MAP_CONTENT_ID}" if pictures else None,
        title=report.title,
        short_title=shorten(report.title, _MAX_SUBJECT_TITLE_CHARS),
        summary=report.summary,
        period=report.period,
        active_time=report.active_time,
        num_pages=report.num_pages,
        keywords=", ".join(report.keywords),
        pages=report.pages,
    )


def usage_mail(
    language: Language,
    percent: int,
    used_tokens: int,
    token_limit: int,
    resets_at: datetime,
    link: str,
    unsubscribe_url: str,
) -> Mail:
    """Says that `percent` (80 or 100) of the tokens of this period are used. Optional."""
    return _render(
        f"usage_{percent}",
        "usage",
        language,
        link=link,
        unsubscribe_url=unsubscribe_url,
        percent=percent,
        used=f"{used_tokens:,}",
        limit=f"{token_limit:,}",
        resets_on=f"{resets_at:%Y-%m-%d}",
    )


def erasure_receipt_mail(language: Language, receipt_id: str, counts: Mapping[DataKind, int]) -> Mail:
    """Says that the account was erased, and how many entries of which kind. Users cannot opt out of it."""
    return _render(
        "erasure_receipt",
        "erasure_receipt",
        language,
        receipt_id=receipt_id,
        facts=[(DATA_KIND_NAMES[kind][language], f"{count:,}") for kind, count in counts.items()],
        total=sum(counts.values()),
    )
