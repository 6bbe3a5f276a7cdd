"""The view of a webhook."""

from collections.abc import Sequence
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.masking import masked_url
from taskrunner.domain.tasks.change import ChangeEvent
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.domain.tasks.task_filter import TaskFilter, label_texts
from taskrunner.domain.webhooks.webhook import Webhook


class ConditionsView(View):
    """Which tasks a webhook is for; null: whatever they have."""

    label: Sequence[str]
    queue: str | None
    executor: str | None
    host: str | None
    outcome: str | None
    created_by: str | None

    @classmethod
    def of(cls, task_filter: TaskFilter) -> Self:
        return cls.copy(task_filter, label=label_texts(task_filter))


class WebhookView(View):
    """A webhook, with the names of its configured secret and TLS profile, if any."""

    name: str
    url: str
    secret: str | None
    tls: str | None
    events: Sequence[ChangeEvent]
    filter: ConditionsView
    enabled: bool
    created_by: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, webhook: Webhook, *, known_as: str) -> Self:
        """`known_as` is the name by which the caller knows it."""
        callback = webhook.callback
        return cls.copy(
            webhook,
            name=known_as,
            url=masked_url(callback.url),
            secret=callback.secret,
            tls=callback.tls,
            events=webhook.events,
            filter=ConditionsView.of(webhook.task_filter),
        )


class WebhookList(View):
    """All webhooks, by name."""

    webhooks: Sequence[WebhookView]
