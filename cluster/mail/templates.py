"""What our mails say, in Korean and English."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Language = Literal["ko", "en"]


def preferred_language(accept_language: str) -> Language:
    """The language of ours that a browser's `Accept-Language` names first; Korean when it names none."""
    for wish in accept_language.lower().split(","):
        name = wish.partition(";")[0].strip().partition("-")[0]
        if name in ("ko", "en"):
            return "en" if name == "en" else "ko"
    return "ko"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail without its address. `kind` names it in logs and metrics."""

    kind: str
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...] = ()


def _mail(kind: str, subject: str, paragraphs: list[str], link: tuple[str, str] | None = None) -> Mail:
    lines = list(paragraphs)
    shown = [f"<p>{html.escape(p)}</p>" for p in paragraphs]
    if link is not None:
        label, url = link
        lines.insert(1, url)
        shown.insert(1, f'<p><a href="{html.escape(url, quote=True)}">{html.escape(label)}</a></p>')
    body = "".join(shown)
    page = f'<!doctype html><html><head><meta charset="utf-8"></head><body>{body}<p>Trailmind</p></body></html>'
    return Mail(kind, subject, "\n\n".join([*lines, "Trailmind"]) + "\n", page)


def password_reset_mail(language: Language, link: str) -> Mail:
    """The way back in for somebody who forgot the password."""
    if language == "ko":
        return _mail(
            "reset",
            "Trailmind 비밀번호 재설정",
            [
                "비밀번호를 다시 정하려면 아래 링크를 여세요. 링크는 한 시간 동안 한 번만 쓸 수 있습니다.",
                "직접 요청하지 않았다면 이 메일을 무시하세요. 비밀번호는 바뀌지 않습니다.",
            ],
            ("비밀번호 다시 정하기", link),
        )
    return _mail(
        "reset",
        "Reset your Trailmind password",
        [
            "Open this link to choose a new password. It works once, for one hour.",
            "If you did not ask for it, ignore this mail: your password stays as it is.",
        ],
        ("Choose a new password", link),
    )


def verification_mail(language: Language, link: str) -> Mail:
    """Is this address really yours?"""
    if language == "ko":
        return _mail(
            "verify",
            "Trailmind 이메일 확인",
            [
                "이 주소가 본인 것인지 확인하려면 아래 링크를 여세요. 링크는 이틀 동안 쓸 수 있습니다.",
                "Trailmind에 가입하지 않았다면 이 메일을 무시하세요.",
            ],
            ("이메일 확인", link),
        )
    return _mail(
        "verify",
        "Confirm your address for Trailmind",
        [
            "Open this link to confirm that this address is yours. It works for two days.",
            "If you did not sign up for Trailmind, ignore this mail.",
        ],
        ("Confirm my address", link),
    )


def password_changed_mail(language: Language) -> Mail:
    """A warning to the owner; cannot be opted out of."""
    if language == "ko":
        return _mail(
            "password_changed",
            "Trailmind 비밀번호가 바뀌었습니다",
            [
                "비밀번호가 바뀌었고 다른 기기에서는 로그아웃되었습니다.",
                "본인이 아니라면 바로 비밀번호를 재설정하세요.",
            ],
        )
    return _mail(
        "password_changed",
        "Your Trailmind password was changed",
        [
            "Your password was changed, and all other devices were logged out.",
            "If that was not you, reset your password now.",
        ],
    )


def retention_mail(language: Language, num_sessions: int, first_at: datetime, link: str) -> Mail:
    """Some sessions will go with the plan's time, and how to keep them."""
    if language == "ko":
        return _mail(
            "retention",
            f"Trailmind 세션 {num_sessions}개가 곧 삭제됩니다",
            [
                f"요금제의 보관 기간이 끝나 세션 {num_sessions}개가 {first_at:%Y-%m-%d}부터 완전히 삭제됩니다.",
                "계속 보관하려면 그 전에 요금제를 바꾸거나 내보내기를 하세요. 삭제된 세션은 되돌릴 수 없습니다.",
            ],
            ("세션 보기", link),
        )
    many = "One session" if num_sessions == 1 else f"{num_sessions} sessions"
    return _mail(
        "retention",
        f"{many} of yours will soon be deleted from Trailmind",
        [
            f"Your plan keeps sessions no longer: from {first_at:%Y-%m-%d} on {many.lower()} will be deleted for good.",
            "To keep them, change your plan or export them before that day. What is deleted cannot be brought back.",
        ],
        ("Look at my sessions", link),
    )


def account_closed_mail(language: Language, days: int) -> Mail:
    """The account is closed, and until when that can be undone."""
    if language == "ko":
        return _mail(
            "account_closed",
            "Trailmind 계정이 닫혔습니다",
            [f"계정이 닫혔습니다. 모든 기록은 {days}일 뒤 완전히 지워집니다."],
        )
    return _mail(
        "account_closed",
        "Your Trailmind account is closed",
        [f"Your account is closed. Everything in it will be erased for good in {days} days."],
    )
