"""The mails of the product, in Korean and English; their texts are the Jinja templates beside this module.

A template extends one of two layouts, plain text or HTML, and sets `subject`, `intro`, and where it has them
`link_label` and `note`. A variable that a template needs and does not receive raises instead of leaving a gap.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
class Mail:
    """One mail without its address. `kind` names it in logs."""

    kind: str
    subject: str
    text: str
    html: str


@functools.cache
def _environment(*, is_html: bool) -> Environment:
    # On first use: the import takes about 50 ms, which the start of an API replica saves.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    return Environment(loader=loader, autoescape=is_html, undefined=StrictUndefined)  # noqa: S701 - plain text mails


def _render(kind: str, template: str, language: Language, *, link: str | None = None, **variables: Any) -> Mail:
    name, context = f"{template}.{language}.j2", {"link": link, **variables}
    text = _environment(is_html=False).get_template(name).make_module({**context, "layout": "layout.txt.j2"})
    html = _environment(is_html=True).get_template(name).make_module({**context, "layout": "layout.html.j2"})
    subject: str = text.subject  # type: ignore[attr-defined] # what the template exports
    return Mail(kind, subject, str(text), str(html))


def password_reset_mail(language: Language, link: str) -> Mail:
    """The link with which a user who forgot the password sets a new one."""
    return _render("reset", "password_reset", language, link=link)


def verification_mail(language: Language, link: str) -> Mail:
    """The link that confirms a user's address."""
    return _render("verify", "verification", language, link=link)


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
