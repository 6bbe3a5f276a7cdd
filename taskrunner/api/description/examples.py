"""Examples of what requests take, for the OpenAPI document: by the name of the schema."""

from collections.abc import Mapping
from typing import Any

_TASK = {
    "url": "https://example.com/hook",
    "method": "POST",
    "headers": {"X-Order": "42"},
    "body": {"order": 42},
    "delay": "10m",
    "max_attempts": 5,
    "labels": {"team": "shop"},
}
_SCHEDULE = {
    "cron": "0 8 * * 1-5",
    "time_zone": "Europe/Berlin",
    "task": {"url": "https://example.com/report"},
}
_WEBHOOK = {"url": "https://example.com/hook", "events": ["failed"], "filter": {"queue": "high"}}
_EXECUTOR = {
    "kind": "http",
    "url": "https://example.com/orders/{id}",
    "schema": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    "max_attempts": 10,
}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "TaskDraft": _TASK,
    "NewSchedule": {"name": "daily-report", **_SCHEDULE},
    "ScheduleFields": _SCHEDULE,
    "ScheduleDraftPatch": {
        "cron": "0 9 * * *",
        "task": {"headers": {"X-Report": "daily", "X-Old": None}},
    },
    "NewExecutor": {"name": "send_order", **_EXECUTOR},
    "ExecutorFields": _EXECUTOR,
    "ExecutorDraftPatch": {"enabled": False, "timeout": "10s"},
    "LeaseDraft": {"worker": "resizer-1", "max_tasks": 10, "wait": "30s"},
    "HeartbeatDraft": {"token": "1.bmQC0436AVyGPPI8vbCf5g", "progress": {"fraction": 0.5}},
    "StatusDraft": {"status": "completed", "token": "1.bmQC0436AVyGPPI8vbCf5g", "result": {"width": 120}},
    "HostLimit": {"concurrency": 4, "rate": "90/m"},
    "HostLimitPatch": {"rate": "10/s", "burst": None},
    "ApiKeyDraft": {"name": "shop", "scopes": ["submit", "read"], "owner": "the shop team"},
    "KeyLimitPatch": {"rate": "50/s", "burst": 100},
    "Rotation": {"grace": "1h"},
    "Login": {"key": "tr_the-key-of-somebody"},
    "OperationRequest": {"action": "cancel", "filter": {"queue": "low"}, "rate": 50},
    "QueueDraft": {"weight": 2},
    "NewWebhook": {"name": "ended", **_WEBHOOK},
    "WebhookFields": _WEBHOOK,
    "WebhookDraftPatch": {"enabled": False, "filter": {"queue": None}},
}
