"""What mails call each kind of data; the dashboard has its own words in `clients/dashboard/src/i18n`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from models.accounts.data_kinds import DataKind

DATA_KIND_NAMES: Final[Mapping[DataKind, Mapping[Literal["en", "ko"], str]]] = {
    "account": {"en": "Account", "ko": "계정"},
    "settings": {"en": "Settings", "ko": "설정"},
    "logins": {"en": "Logins", "ko": "로그인"},
    "one_time_links": {"en": "One-time links", "ko": "일회용 링크"},
    "api_keys": {"en": "API keys", "ko": "API 키"},
    "sessions": {"en": "Sessions", "ko": "세션"},
    "session_records": {"en": "Records about sessions", "ko": "세션에 관한 기록"},
    "events": {"en": "Recorded events", "ko": "기록한 이벤트"},
    "events_rewritten": {"en": "Rewritten events", "ko": "고쳐 쓴 이벤트"},
    "event_checks": {"en": "Records about refused or repeated events", "ko": "거절되거나 반복된 이벤트의 기록"},
    "visits": {"en": "Page visits", "ko": "페이지 방문"},
    "highlights": {"en": "Highlights", "ko": "하이라이트"},
    "page_texts": {"en": "Page texts", "ko": "페이지 본문"},
    "page_vectors": {"en": "Number series computed from page texts", "ko": "본문에서 계산한 수치"},
    "search_entries": {"en": "Search entries", "ko": "검색 항목"},
    "maps": {"en": "Maps", "ko": "지도"},
    "map_versions": {"en": "Map versions", "ko": "지도 버전"},
    "map_versions_rewritten": {"en": "Rewritten map versions", "ko": "고쳐 쓴 지도 버전"},
    "map_edits": {"en": "Edits of maps", "ko": "지도 편집"},
    "combined_maps": {"en": "Combined maps and their sessions", "ko": "묶음 지도와 그 세션"},
    "share_links": {"en": "Share links", "ko": "공유 링크"},
    "recurring_topics": {"en": "Recurring topics", "ko": "이어지는 주제"},
    "model_calls": {"en": "Records of requests to models", "ko": "모델 요청 기록"},
    "model_texts": {"en": "Texts sent to models", "ko": "모델에 보낸 본문"},
    "model_answers": {"en": "Answers of models", "ko": "모델의 답변"},
    "plans": {"en": "Plans and paid periods", "ko": "요금제와 결제 기간"},
    "payments": {"en": "Purchases and invoices", "ko": "구매와 청구서"},
    "token_entries": {"en": "Records of tokens", "ko": "토큰 기록"},
    "storage_records": {"en": "Records of stored volume", "ko": "저장 용량 기록"},
    "mail_records": {"en": "Records of sent mails", "ko": "보낸 메일 기록"},
    "jobs": {"en": "Queued jobs", "ko": "대기 중인 작업"},
    "holds": {"en": "Legal holds", "ko": "보존 명령"},
    "receipts": {"en": "Earlier receipts", "ko": "이전에 지운 기록"},
    "other": {"en": "Other entries", "ko": "그 밖의 항목"},
}
