"""The kinds of data that a receipt of deleted data names, for people who know no table.

Receipts store how many rows of each table were deleted; readers see them by kind. A table that is added needs a kind
here (`tests/acceptance/test_forgetting.py::test_every_table_that_an_erasure_can_touch_has_words`) and a name of the
kind in `cluster.mail.data_kind_names` and in the dashboard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, get_args

DataKind = Literal[
    "account",
    "settings",
    "logins",
    "one_time_links",
    "api_keys",
    "sessions",
    "session_records",
    "events",
    "events_rewritten",
    "event_checks",
    "visits",
    "highlights",
    "page_texts",
    "page_vectors",
    "search_entries",
    "maps",
    "map_versions",
    "map_versions_rewritten",
    "map_edits",
    "combined_maps",
    "share_links",
    "recurring_topics",
    "model_calls",
    "model_texts",
    "model_answers",
    "plans",
    "payments",
    "token_entries",
    "storage_records",
    "mail_records",
    "jobs",
    "holds",
    "receipts",
    "other",
]
#: In the order in which a receipt lists them.
DATA_KINDS: Final[tuple[DataKind, ...]] = get_args(DataKind)

#: Table, or what a deletion counts beside tables → its kind.
KIND_OF_TABLE: Final[Mapping[str, DataKind]] = {
    "users": "account",
    "user_settings": "settings",
    "login_families": "logins",
    "one_time_tokens": "one_time_links",
    "api_keys": "api_keys",
    "browsing_sessions": "sessions",
    "session_transitions": "session_records",
    "timeline_snapshots": "session_records",
    "events": "events",
    "events_rewritten": "events_rewritten",
    "event_rejections": "event_checks",
    "duplicate_tallies": "event_checks",
    "visits": "visits",
    "highlights": "highlights",
    "page_contents": "page_texts",
    "page_vectors": "page_vectors",
    "search_pages": "search_entries",
    "search_state": "search_entries",
    "mindmaps": "maps",
    "mindmap_versions": "map_versions",
    "map_versions_rewritten": "map_versions_rewritten",
    "mindmap_edits": "map_edits",
    "map_run_items": "map_versions",
    "joint_maps": "combined_maps",
    "joint_map_sessions": "combined_maps",
    "joint_map_versions": "map_versions",
    "joint_map_edits": "map_edits",
    "share_links": "share_links",
    "thread_findings": "recurring_topics",
    "thread_links": "recurring_topics",
    "thread_unlinks": "recurring_topics",
    "ai_calls": "model_calls",
    "ai_call_texts": "model_texts",
    "ai_checkpoints": "model_answers",
    "ai_run_answers": "model_answers",
    "ai_cached_responses": "model_answers",
    "subscriptions": "plans",
    "paid_periods": "plans",
    "plan_overrides": "plans",
    "billing_customers": "payments",
    "checkouts": "payments",
    "invoices": "payments",
    "ledger_entries": "token_entries",
    "token_packs": "token_entries",
    "storage_usage": "storage_records",
    "mail_notices": "mail_records",
    "jobs": "jobs",
    "legal_holds": "holds",
    "erasure_receipts": "receipts",
}


def counts_by_kind(counts: Mapping[str, int]) -> dict[DataKind, int]:
    """The counts of a deletion by kind, in the order of a receipt, without zeros.

    A table of a newer version of the product, which wrote the receipt, counts as `other`.
    """
    by_kind: Counter[DataKind] = Counter()
    for table, number in counts.items():
        by_kind[KIND_OF_TABLE.get(table, "other")] += number
    return {kind: by_kind[kind] for kind in DATA_KINDS if by_kind[kind]}
