"""Examples of all request and response bodies by schema name, and descriptions of parameters, for the OpenAPI document.

A test validates each example against its schema.
"""

from __future__ import annotations

from typing import Any

_SESSION_ID = "7d0f6a3e-2f3c-4a5b-9c1d-3f1f0f9b2a10"
_OTHER_ID = "c0a8f5d2-61b7-4a07-8a0e-2b6d9b1c7e55"
_PAGE_ID = "p-4f0c9a"
_BEGUN, _ENDED, _LATER = "2026-11-20T09:00:00.000Z", "2026-11-20T09:42:10.000Z", "2026-12-20T09:00:00.000Z"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_URL = "https://docs.ray.io/en/latest/ray-core/actors.html"

_USER = {
    "id": _OTHER_ID,
    "email": "ann@example.com",
    "created_at": _BEGUN,
    "updated_at": _BEGUN,
    "email_verified": True,
    "has_password": True,
    "google_linked": False,
    "role": "user",
}
_TOKENS = {"token": "eyJhbGciOi…", "refresh_token": "eyJhbGciOi…", "token_type": "Bearer", "expires_in": 43200}
_SESSION = {
    "id": _SESSION_ID,
    "title": "Ray actors and queues",
    "session_status": "completed",
    "started_at": _BEGUN,
    "ended_at": _ENDED,
    "created_at": _BEGUN,
    "updated_at": _ENDED,
    "page_count": 17,
    "highlight_count": 3,
    "event_count": 412,
    "dwell_ms": 2_310_000,
    "keywords": ["actors", "queues"],
    "local_only": False,
}
_RECEIPT = {
    "id": _OTHER_ID,
    "scope": "page",
    "session_ids": [_SESSION_ID],
    "created_at": _ENDED,
    "erased_at": _ENDED,
    "counts": {"events": 4, "page_texts": 1, "search_entries": 1, "map_versions": 2},
    "total": 8,
}
_HIGHLIGHT = {
    "id": "h-1",
    "text": "An actor is a stateful worker.",
    "color": "#FFFF00",
    "url": _URL,
    "created_at": _BEGUN,
}
_VISIT = {
    "id": "v-1",
    "url": _URL,
    "title": "Actors",
    "visited_at": _BEGUN,
    "duration_ms": 42_000,
    "max_scroll_depth": 0.8,
    "page_id": _PAGE_ID,
    "is_revisit": False,
}
_DOCUMENT = {
    "nodes": [
        {
            "id": "core",
            "label": "Ray actors and queues",
            "type": "core",
            "size": 100,
            "color": "#FFD700",
            "position": {"x": 0, "y": 0, "z": 0},
        }
    ],
    "edges": [],
    "layout": {"type": "galaxy", "params": {"center": [0, 0, 0], "scale": 1}},
}
_MAP = {
    "id": _OTHER_ID,
    "session_id": _SESSION_ID,
    "status": "completed",
    "percent": 100,
    "version": 1,
    "provider": "local",
    "data": _DOCUMENT,
    "created_at": _ENDED,
    "updated_at": _ENDED,
}
_JOINT_MAP = {
    "id": _OTHER_ID,
    "title": "November",
    "status": "generating",
    "stage": "queued",
    "percent": 0,
    "session_ids": [_SESSION_ID],
    "created_at": _ENDED,
    "updated_at": _ENDED,
}
_VERSION = {
    "number": 1,
    "is_current": True,
    "provider": "local",
    "cost_usd": 0.0,
    "input_digest": "9f86d081884c7d65",
    "scorecard": {},
    "coverage": {"pages": 17, "left_out": 1},
    "title": "Ray actors and queues",
    "num_topics": 4,
    "num_pages": 16,
    "edits_seq": 0,
    "edits_not_applied": [],
    "created_at": _ENDED,
}
_JOINT_VERSION = {
    "number": 1,
    "is_current": True,
    "provider": "local",
    "input_digest": "9f86d081884c7d65",
    "title": "November",
    "num_topics": 4,
    "num_pages": 16,
    "edits_seq": 0,
    "edits_not_applied": [],
    "created_at": _ENDED,
}
_REPORT = {"op_id": "op-1", "op": "rename", "status": "applied", "sentence": "Renamed the topic.", "node_id": "topic-1"}
_PLAN = {
    "id": "free",
    "name": "Free",
    "price_cents": 0,
    "billing_period": "monthly",
    "token_limit": 50_000,
    "session_retention_days": 30,
    "max_concurrent_sessions": 1,
    "storage_limit_bytes": 1_073_741_824,
    "features": {"export_png": True},
}
_USAGE = {
    "period_start": _BEGUN,
    "period_end": _LATER,
    "tokens_used": 12_500,
    "token_limit": 50_000,
    "percent_used": 25.0,
    "is_unlimited": False,
    "can_use_ai": True,
    "by_operation": {"mindmap": 12_500},
    "storage_bytes": 41_943_040,
    "storage_limit_bytes": 1_073_741_824,
}
_SETTINGS = {
    "model_use": "ask",
    "language": "ko",
    "is_language_chosen": True,
    "theme": "system",
    "email_notifications": True,
    "time_zone": "Asia/Seoul",
    "excluded_domains": ["bank.example"],
    "allowed_domains": ["docs.bank.example"],
    "capture": {"page_text": True, "highlights": True, "scroll": True, "scope": "all_tabs"},
    "when_out_of_tokens": "local",
    "allows_datasets": False,
}
_SHARE = {
    "id": _OTHER_ID,
    "session_id": _SESSION_ID,
    "url": "https://trailmind.example/shared/1sZhfFs4…",
    "api_url": "https://trailmind.example/v1/shared/1sZhfFs4…",
    "shows": "pages",
    "created_at": _BEGUN,
    "expires_at": _LATER,
}
_KEY = {
    "id": _OTHER_ID,
    "name": "nightly export",
    "hint": "x7Qa",
    "scopes": ["sessions:read"],
    "created_at": _BEGUN,
    "expires_at": _LATER,
}
_TOPIC = {"session_id": _SESSION_ID, "topic_id": "topic-1"}
_MODEL = {"provider": "openai", "model": "gpt-4o-mini"}
_AI = {"chain": [_MODEL], "temperature": 0.3, "max_output_tokens": 4096, "timeout_s": 60, "is_enabled": True}
_ADMIN_USER = {
    "id": _OTHER_ID,
    "email": "ann@example.com",
    "role": "user",
    "status": "active",
    "email_verified": True,
    "plan": "free",
    "num_sessions": 12,
    "storage_bytes": 41_943_040,
    "storage_limit_bytes": 1_073_741_824,
    "created_at": _BEGUN,
}

_RUN = {
    "id": "spring",
    "status": "running",
    "cost_budget_micros": 50_000_000,
    "num_canary": 10,
    "is_canary_passed": True,
    "promotion": "gate",
    "created_at": _BEGUN,
    "progress": {
        "total": 1000,
        "processed": 412,
        "waiting": 586,
        "running": 2,
        "done": 400,
        "unchanged": 8,
        "superseded": 3,
        "failed": 1,
        "promoted": 0,
        "rolled_back": 0,
        "edits_lost": 2,
        "tokens": 1_204_000,
        "cost_micros": 3_120_000,
        "maps_per_minute": 240.0,
        "seconds_left": 147.0,
    },
}
BODY_EXAMPLES: dict[str, Any] = {
    "CheckoutBody": {"plan": "pro", "interval": "monthly"},
    "PacksBody": {"quantity": 2},
    "IntervalBody": {"interval": "yearly"},
    "AdminUserPatch": {"role": "admin"},
    "PlanOverrideBody": {"plan": "enterprise", "reason": "Pilot of two weeks", "until": _LATER},
    "HoldBody": {"is_held": True, "reason": "Court order 12/2026"},
    "CreditBody": {"credit_id": _OTHER_ID, "tokens": 100_000, "reason": "Maps failed on Tuesday"},
    "RefundBody": {"amount_cents": 600, "reason": "Half of the month was unusable"},
    "RunActionBody": {"action": "promote", "every": False},
    "AiConfigBody": _AI,
    "ApiKeyCreate": {"name": "nightly export", "scopes": ["sessions:read"], "expires_in_days": 90},
    "Credentials": {"email": "ann@example.com", "password": "correct horse battery staple"},
    "DeletionBody": {"password": "correct horse battery staple", "now": False},
    "EditsBody": {"operations": [{"op": "rename", "node_id": "topic-1", "label": "Actors"}], "expected_seq": 0},
    "EventsBody": {
        "events": [
            {
                "type": "page_visit",
                "timestamp": 1_760_000_000_000,
                "url": _URL,
                "title": "Actors",
                "event_id": "e-1",
                "seq": 1,
            },
            {
                "type": "page_leave",
                "timestamp": 1_760_000_042_000,
                "url": _URL,
                "duration_ms": 42_000,
                "event_id": "e-2",
                "seq": 2,
            },
        ]
    },
    "ExpectedSeqBody": {"expected_seq": 3},
    "ExtensionChallenge": {"code_challenge": _CHALLENGE, "code_challenge_method": "S256"},
    "ExtensionExchange": {"code": "5d41402abc4b2a76", "code_verifier": _VERIFIER},
    "ForgotBody": {"email": "ann@example.com"},
    "GenerateBody": {"force": True},
    "GoogleBegin": {"redirect_uri": "https://abc.chromiumapp.org/", "code_challenge": _CHALLENGE},
    "GoogleBody": {"credential": "eyJhbGciOi…"},
    "GoogleCode": {
        "code": "4/0AX4XfWh…",
        "redirect_uri": "https://abc.chromiumapp.org/",
        "state": "c2luZ2xlIHVzZQ",
        "code_verifier": _VERIFIER,
    },
    "JointMapBody": {"title": "November", "session_ids": [_SESSION_ID]},
    "ForgetBody": {"page_id": _PAGE_ID, "session_id": _SESSION_ID},
    "LinkBody": {"topic": _TOPIC, "other": {"session_id": _OTHER_ID, "topic_id": "topic-3"}},
    "LoginBody": {"email": "ann@example.com", "password": "correct horse battery staple"},
    "LogoutAllBody": {"keep_api_keys": False},
    "PasswordChange": {"current_password": "correct horse battery staple", "new_password": "a better one still"},
    "ResetBody": {"token": "9f86d081884c7d659a2feaa0c55ad015", "new_password": "a better one still"},
    "SessionStart": {"title": "Ray actors", "client_session_id": "0f9b2a10-7d0f-4a3e"},
    "SessionUpdate": {"title": "Ray actors and queues", "description": "For the talk in December"},
    "SettingsPatch": {"language": "en", "excluded_domains": ["bank.example"]},
    "ShareCreate": {"shows": "pages", "expires_in_days": 30},
    "TokenBody": {"token": "9f86d081884c7d659a2feaa0c55ad015"},
    "TopicRef": _TOPIC,
}

REPLY_EXAMPLES: dict[str, Any] = {
    "ErasureReceiptEnvelope": {"receipt": _RECEIPT},
    "ForgetReply": {"receipt": _RECEIPT, "open_recordings": 0},
    "VerificationLinkReply": {"link": "https://trailmind.example/verify-email#token=9f86d0", "expires_at": _ENDED},
    "ReceiptList": {"receipts": [_RECEIPT]},
    "AdminSessionList": {
        "sessions": [
            {
                "id": _SESSION_ID,
                "user_id": _OTHER_ID,
                "session_status": "completed",
                "map_status": "completed",
                "num_events": 412,
                "num_pages": 17,
                "started_at": _BEGUN,
                "ended_at": _ENDED,
            }
        ],
        "total": 1,
        "by_status": {"completed": 1},
    },
    "AdminUserEnvelope": {"user": _ADMIN_USER},
    "AdminUserList": {"users": [_ADMIN_USER], "total": 1},
    "AiConfigEnvelope": {"config": {**_AI, "task_type": "outline", "updated_at": _BEGUN}},
    "AiConfigList": {"configs": [{**_AI, "task_type": "default", "updated_at": _BEGUN}]},
    "ApiKeyCreated": {"api_key": _KEY, "key": "tm_c0a8f5d261b74a078a0e2b6d9b1c7e55_…"},
    "ApiKeyList": {"api_keys": [_KEY]},
    "AuditList": {
        "entries": [
            {
                "id": _SESSION_ID,
                "actor_id": _OTHER_ID,
                "action": "job.retried",
                "subject": "17",
                "facts": {},
                "at": _BEGUN,
            }
        ]
    },
    "StatusReply": {
        "state": "attention",
        "at": _ENDED,
        "versions": {"trailmind": "0.1.0", "postgresql": "16.4", "valkey": "8.1.4", "schema": "0028"},
        "parts": [
            {"name": "api", "state": "ok", "message": "ready", "details": [{"code": "api_ready", "values": {}}]},
            {
                "name": "jobs",
                "state": "attention",
                "problem": "jobs_dead",
                "message": "0 wait; 1 run; 2 failed for all attempts",
                "details": [
                    {"code": "jobs_waiting", "values": {"count": 0}},
                    {"code": "jobs_running", "values": {"count": 1}},
                    {"code": "jobs_failed", "values": {"count": 2}},
                ],
                "remedy": "`trailmind jobs` shows the reasons, `trailmind jobs retry ID` runs one again",
            },
        ],
        "queues": [{"queue": "maps", "pending": 0, "running": 1, "dead": 2, "oldest_pending_s": 0}],
        "providers": [{"provider": "openai", "num_ok": 41, "num_failed": 1, "num_throttled": 0, "last_ok_at": _ENDED}],
        "last_backup": {
            "name": "trailmind-20261120T030000Z.tar.age",
            "made_at": _BEGUN,
            "num_bytes": 34_100_000,
            "is_encrypted": True,
        },
        "database_bytes": 512_000_000,
        "database_clients": 14,
        "database_client_limit": 100,
        "disk_free_bytes": 41_000_000_000,
        "disk_total_bytes": 64_000_000_000,
    },
    "AuthReply": {**_TOKENS, "user": _USER},
    "DeletionReceipt": {
        "status": "scheduled",
        "erased_at": _LATER,
        "counts": {"account": 1, "events": 412},
        "total": 413,
    },
    "DiffReply": {
        "old": 1,
        "new": 2,
        "changes": [{"kind": "renamed", "sentence": "“Queues” is now “Job queues”.", "node_ids": ["topic-2"]}],
    },
    "DisclosureList": {
        "disclosures": [
            {
                "id": _OTHER_ID,
                "provider": "openai",
                "model": "gpt-4o-mini",
                "operation": "describe",
                "sent_at": _ENDED,
                "status": "success",
                "num_chars": 5_210,
                "num_redactions": 2,
                "text_digest": "9f86d081884c7d65",
            }
        ],
        "total": 1,
        "text_retention_days": 30,
    },
    "EditLogReply": {
        "edits": [{"seq": 1, "entry": {"op": "rename"}, "created_at": _ENDED, "in_effect": True, "report": _REPORT}],
        "seq": 1,
        "num_in_effect": 1,
        "can_undo": True,
        "can_redo": False,
    },
    "EditsReply": {"mindmap": _MAP, "reports": [_REPORT]},
    "EventStats": {"total_events": 3, "page_visits": 2, "highlights": 1, "unique_urls": 2},
    "EventsList": {"page_visits": [_VISIT], "highlights": [_HIGHLIGHT], "total": 2},
    "EventsReply": {
        "processed": 2,
        "total": 2,
        "stored": 1,
        "duplicate": 0,
        "excluded": 1,
        "invalid": 0,
        "verdicts": [
            {"event_id": "e-1", "verdict": "stored"},
            {"event_id": "e-2", "verdict": "excluded", "reason": "default: banking"},
        ],
    },
    "ExtensionCode": {"code": "5d41402abc4b2a76", "expires_in": 120},
    "GoogleBegun": {
        "authorization_url": "https://accounts.google.com/o/oauth2/v2/auth?client_id=…",
        "state": "c2luZ2xlIHVzZQ",
        "expires_in": 600,
    },
    "GoogleConfig": {"enabled": True, "client_id": "1234.apps.googleusercontent.com"},
    "HealthReply": {"status": "ok"},
    "JobList": {
        "jobs": [
            {
                "id": 17,
                "task": "maps.generate",
                "queue": "maps",
                "state": "dead",
                "attempts": 5,
                "priority": 10,
                "session_id": _SESSION_ID,
            }
        ]
    },
    "JointEditsReply": {"map": _JOINT_MAP, "reports": [_REPORT]},
    "JointVersionEnvelope": {"version": _JOINT_VERSION},
    "JointVersionList": {"versions": [_JOINT_VERSION], "total": 1},
    "JointMapEnvelope": {"map": _JOINT_MAP},
    "JointMapList": {"maps": [_JOINT_MAP], "total": 1},
    "LoginList": {
        "logins": [
            {
                "id": _OTHER_ID,
                "client": "web",
                "is_current": True,
                "created_at": _BEGUN,
                "last_used_at": _ENDED,
                "expires_at": _LATER,
            }
        ]
    },
    "MessageReply": {"message": "successfully logged out"},
    "MindmapEnvelope": {"mindmap": _MAP},
    "VerificationReply": {"message": "The e-mail address is confirmed.", "email_verified": True},
    "PictureLink": {"url": "https://trailmind.example/pictures/9f86d081…", "expires_at": _LATER},
    "PlanList": {"plans": [_PLAN]},
    "QuoteEnvelope": {
        "quote": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "tokens": 27_500,
            "cost_micros": 5_200,
            "num_pages": 17,
            "num_pages_known": 3,
            "num_calls": 4,
            "plan_share": 0.55,
            "tokens_left": 37_500,
            "is_affordable": True,
            "resets_at": _LATER,
            "needs_consent": False,
        }
    },
    "ReadyReply": {
        "status": "ready",
        "checks": {"postgresql": "ok", "disk": "ok", "schema": "ok", "valkey": "ok", "shards": "ok"},
    },
    "ReceiptEnvelope": {
        "receipt": {
            "session_id": _SESSION_ID,
            "seen": 6,
            "stored": 2,
            "duplicate": 1,
            "excluded": 2,
            "excluded_on_device": 0,
            "invalid": 1,
            "by_type": {"page_visit": 2},
            "excluded_by": [{"reason": "default: banking", "count": 2}],
            "invalid_because": [{"reason": "`type` is empty", "count": 1}],
            "error_pages": [{"http_status": 404, "count": 1}],
            "gaps": [{"first": 4, "last": 8}],
            "missing": 5,
            "last_seq": 9,
        }
    },
    "SearchReply": {
        "results": [
            {
                "session_id": _SESSION_ID,
                "session_title": "Ray actors and queues",
                "session_started_at": _BEGUN,
                "page_id": _PAGE_ID,
                "url": _URL,
                "domain": "docs.ray.io",
                "title": "Actors",
                "topics": ["Actors"],
                "highlights": ["An actor is a stateful worker."],
                "snippet": "An actor is a stateful worker.",
                "snippet_from": "highlight",
                "marks": [{"start": 3, "end": 8}],
                "first_visited_at": _BEGUN,
                "last_visited_at": _BEGUN,
                "dwell_ms": 42_000,
                "score": 0.82,
            }
        ],
        "has_more": False,
        "is_indexing": False,
        "took_ms": 6.1,
    },
    "SessionEnvelope": {"session": _SESSION},
    "SessionList": {"sessions": [_SESSION], "total": 1},
    "ServerEnvelope": {
        "server": {
            "sends_mail": True,
            "model_vendors": ["OpenAI"],
            "providers": {"openai": "OpenAI"},
            "api_vendors": {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Google"},
            "uses_models": True,
            "has_extension": True,
        }
    },
    "SettingsEnvelope": {"settings": _SETTINGS},
    "ShareEnvelope": {"share": _SHARE},
    "ShareList": {"shares": [_SHARE]},
    "SharedSession": {
        "title": "Ray actors and queues",
        "shows": "pages",
        "started_at": _BEGUN,
        "ended_at": _ENDED,
        "dwell_ms": 2_310_000,
        "expires_at": _LATER,
        "mindmap": _DOCUMENT,
    },
    "BillingEnvelope": {
        "billing": {
            "enabled": True,
            "sells_packs": True,
            "tokens_per_pack": 100_000,
            "is_disputed": False,
            "has_customer": True,
            "subscription": {
                "plan": "pro",
                "status": "active",
                "interval": "monthly",
                "cancel_at_period_end": False,
                "current_period_end": _LATER,
                "can_be_refunded": True,
            },
        }
    },
    "IntervalPreviewReply": {"interval": "yearly", "due_now_cents": 10_740, "currency": "usd"},
    "AccountBillingEnvelope": {
        "billing": {
            "plan": "enterprise",
            "default_plan": "free",
            "tokens_used": 12_000,
            "granted_tokens_left": 100_000,
            "override": {"plan": "enterprise", "reason": "Pilot of two weeks", "until": _LATER, "created_at": _BEGUN},
            "is_disputed": False,
            "invoices": [],
        }
    },
    "HoldReply": {"is_held": True, "reason": "Court order 12/2026"},
    "CheckoutReply": {"checkout_id": _OTHER_ID, "url": "https://checkout.stripe.com/c/pay/cs_live_a1"},
    "CheckoutState": {"checkout_id": _OTHER_ID, "status": "complete"},
    "PageTextReply": {
        "page_id": _PAGE_ID,
        "url": _URL,
        "title": "Actors",
        "language": "en",
        "first_visited_at": _BEGUN,
        "text": "Actors\nAn actor is a stateful worker.",
        "is_truncated": False,
        "highlights": [],
    },
    "PortalReply": {"url": "https://billing.stripe.com/p/session/live_a1"},
    "InvoiceList": {
        "invoices": [
            {
                "id": "in_1",
                "number": "TM-0001",
                "kind": "plan",
                "status": "paid",
                "amount_cents": 1200,
                "refunded_cents": 0,
                "currency": "usd",
                "created_at": _BEGUN,
                "paid_at": _BEGUN,
                "url": "https://invoice.stripe.com/i/acct_1/live_a1",
            }
        ]
    },
    "SubscriptionEnvelope": {
        "subscription": {
            "id": "00000000-0000-0000-0000-000000000000",
            "status": "active",
            "current_period_start": _BEGUN,
            "current_period_end": _LATER,
            "cancel_at_period_end": False,
            "plan": _PLAN,
        }
    },
    "ThreadList": {
        "threads": [
            {
                "id": "t-1",
                "label": "Actors",
                "confidence": 0.8,
                "terms": ["actor", "state"],
                "members": [
                    {
                        **_TOPIC,
                        "session_title": "Ray actors and queues",
                        "started_at": _BEGUN,
                        "label": "Actors",
                        "confidence": 0.8,
                        "linked_by": "trailmind",
                    }
                ],
            }
        ],
        "total": 1,
    },
    "TimelineReply": {
        "visits": [{**_VISIT, "ended_at": _ENDED, "highlights": [_HIGHLIGHT]}],
        "highlights": [_HIGHLIGHT],
        "pauses": [{"started_at": _BEGUN, "ended_at": _ENDED}],
        "away": [{"reason": "idle", "started_at": _BEGUN, "ended_at": _ENDED}],
        "dwell_ms": 42_000,
        "clock_skew_ms": 0,
    },
    "RunEnvelope": {
        "run": _RUN,
        "failed": [{"session_id": _SESSION_ID, "attempts": 3, "error": "the map did not pass its checks (cycle)"}],
    },
    "RunList": {"runs": [_RUN], "total": 1},
    "TokenReply": _TOKENS,
    "UsageEnvelope": {"usage": _USAGE},
    "UsageHistory": {"history": [_USAGE]},
    "UserEnvelope": {"user": _USER},
    "VersionEnvelope": {"version": _VERSION},
    "VersionList": {"versions": [_VERSION], "total": 1},
}

#: Descriptions of parameters without one at their route.
PARAMETER_DESCRIPTIONS = {
    "page_id": "The page of the map",
    "checkout_id": "The purchase",
    "format": "The file format",
    "interval": "The interval to change to",
    "invoice_id": "The invoice, by Stripe's id",
    "hard": "Erase at once (test environment only)",
    "has_highlight": "Only pages with a highlight, or only pages without",
    "job_id": "The job's number",
    "key_id": "The API key",
    "keyword": "One of the session's keywords",
    "layout": "The layout of the map",
    "limit": "Maximum number of results",
    "login_id": "The login",
    "map_id": "The map over several sessions",
    "months": "Maximum number of billing periods, newest first",
    "number": "The version",
    "offset": "Number of results to skip",
    "other": "The version to compare with",
    "receipt_id": "The receipt",
    "run_id": "The name of the run",
    "session_id": "The session",
    "queue": "Only of this queue",
    "share_id": "The link",
    "sort": "`started_at:desc` or `started_at:asc`",
    "status": "Only with this status",
    "task_type": "The task: `describe`, `outline` or `default` for both",
    "theme": "Light or dark",
    "token": "The secret part of the link",
    "type": "Only of this type",
    "user_id": "The account",
}
