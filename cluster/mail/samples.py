"""One of every mail with invented content, for `trailmind mail preview` and the tests that look at them."""

from __future__ import annotations

from datetime import UTC, datetime

from cluster.mail import messages
from cluster.mail.messages import Language, Mail, ReportedPage, SessionReport

_ORIGIN = "https://trailmind.example"
_UNSUBSCRIBE = f"{_ORIGIN}/v1/mail/unsubscribe?token=AAAA"
_AT = datetime(2026, 12, 20, 9, 0, tzinfo=UTC)
_CHANGES = (
    "started", "interval_changed", "cancellation_scheduled", "cancellation_undone", "ended", "refunded",
    "payment_failed", "payment_action_required", "payment_recovered", "pack_bought",
)  # fmt: skip
_REPORTS = {
    "en": SessionReport(
        title="Ray actors and back-pressure",
        summary="You compared how Ray actors keep state, how their calls interleave, and how bounded queues slow "
        "senders down instead of losing work.",
        period="2026-11-28 18:04 – 19:21 (Asia/Seoul)",
        active_time="48 min",
        num_pages=17,
        keywords=("actors", "back-pressure", "queues"),
        pages=(
            ReportedPage("Actors — Ray 2.60.0", "docs.ray.io", "14 min"),
            ReportedPage("Pattern: limit the number of pending tasks", "docs.ray.io", "9 min"),
            ReportedPage("What is back-pressure? <An introduction> & more", "example.com", "6 min"),
        ),
        map_png=None,
    ),
    "ko": SessionReport(
        title="레이 액터와 역압",
        summary="액터가 상태를 지키는 방법, 호출이 번갈아 실행되는 순서, 크기가 정해진 큐가 작업을 잃지 않고 "
        "보내는 쪽을 늦추는 방법을 비교했습니다.",
        period="2026-11-28 18:04 – 19:21 (Asia/Seoul)",
        active_time="48분",
        num_pages=17,
        keywords=("액터", "역압", "큐"),
        pages=(
            ReportedPage("액터 — Ray 2.60.0", "docs.ray.io", "14분"),
            ReportedPage("패턴: 대기 작업 수 제한하기", "docs.ray.io", "9분"),
            ReportedPage("역압이란 무엇인가? <입문> & 더 알아보기", "example.com", "6분"),
        ),
        map_png=None,
    ),
}


def sample_mails(language: Language, map_png: bytes | None = None) -> list[Mail]:
    """One of every mail in `language`; `map_png` is the picture of the session report."""
    report = _REPORTS[language]
    report = SessionReport(**{name: getattr(report, name) for name in report.__slots__} | {"map_png": map_png})
    billing = [
        messages.billing_mail(language, change, "yearly" if change == "interval_changed" else "pro", _AT, _ORIGIN)
        for change in _CHANGES
    ]
    return [
        messages.session_report_mail(language, report, f"{_ORIGIN}/sessions/1", _UNSUBSCRIBE),
        messages.usage_mail(language, 80, 40_210, 50_000, _AT, f"{_ORIGIN}/account", _UNSUBSCRIBE),
        messages.usage_mail(language, 100, 50_000, 50_000, _AT, f"{_ORIGIN}/account", _UNSUBSCRIBE),
        messages.verification_mail(language, f"{_ORIGIN}/verify-email#token=AAAA"),
        messages.password_reset_mail(language, f"{_ORIGIN}/reset-password#token=AAAA"),
        messages.sign_up_mail(language, f"{_ORIGIN}/reset-password#token=AAAA"),
        messages.account_exists_mail(language, f"{_ORIGIN}/reset-password#token=AAAA"),
        messages.choose_password_mail(language, f"{_ORIGIN}/reset-password#token=AAAA"),
        messages.password_changed_mail(language),
        messages.retention_mail(language, 3, _AT, f"{_ORIGIN}/sessions"),
        messages.account_closed_mail(language, 7),
        messages.erasure_receipt_mail(language, "7d0f6a3e", {"account": 1, "sessions": 12, "events": 4_118}),
        *(mail for mail in billing if mail is not None),
    ]
