"""Webhook administration: create, change and delete webhooks.

Each change is conditional on the webhook that it was made from.
"""

from collections.abc import Sequence

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StateConflict, WebhookUnknown
from taskrunner.domain.resource_name import NAME_PATTERN
from taskrunner.domain.tasks.submitter import Submitter, without_namespace
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.webhook import MAX_WEBHOOKS, Webhook
from taskrunner.domain.webhooks.webhook_draft import WebhookDraft
from taskrunner.producer.change_check import MAX_TRIES, Check, allow
from taskrunner.producer.change_reporter import begin_reporting
from taskrunner.producer.shared_read import Refresh, no_refresh
from taskrunner.stores.base import Store


class WebhookAdmin:
    """Every method may raise `StoreUnavailable`. `name` is that of the store.

    `refresh` is called after each change: it is in force in this process when the method returns.
    """

    def __init__(
        self, store: Store, clock: Clock, settings: TaskSettingsSource, refresh: Refresh = no_refresh
    ) -> None:
        self._store = store
        self._refresh = refresh
        self._clock = clock
        self._settings = settings

    @property
    def limits(self) -> TaskLimits:
        """What a webhook may name."""
        return self._settings.current.limits

    async def list(self, namespace: str) -> Sequence[Webhook]:
        """Those whose names begin with `namespace`, by name."""
        return [each for each in await self._store.webhooks() if each.name.startswith(namespace)]

    async def get(self, name: str) -> Webhook:
        """Raises `WebhookUnknown`."""
        found = await self._find(name)
        if found is None:
            raise _unknown(name)
        return found

    async def create(self, name: str, draft: WebhookDraft, submitter: Submitter | None) -> Webhook:
        """Raises `StateConflict` if the name is taken, or if there are too many."""
        webhook = await self._new(name, draft, submitter)
        if not await self._save(webhook, None):
            raise StateConflict(
                f"there is a webhook {without_namespace(name)!r} already; change it, or delete it first"
            )
        await self._refresh()
        return webhook

    async def put(
        self,
        name: str,
        draft: WebhookDraft,
        submitter: Submitter | None,
        *,
        check: Check[Webhook] = allow,
    ) -> tuple[Webhook, bool]:
        """Create or change a webhook; True if it is new. Raises `StateConflict`."""
        for _ in range(MAX_TRIES):
            known = await self._find(name)
            check(known)
            if known is None:
                webhook = await self._new(name, draft, submitter)
            else:
                webhook = self._changed(known, draft)
            if await self._save(webhook, known):
                await self._refresh()
                return webhook, known is None
        raise _contended(name)

    async def patch(self, name: str, patch: bytes, *, check: Check[Webhook] = allow) -> Webhook:
        """Apply a JSON merge patch (RFC 7396). Raises `WebhookInvalid`, `WebhookUnknown`, `StateConflict`."""
        for _ in range(MAX_TRIES):
            known = await self.get(name)
            check(known)
            webhook = self._changed(known, WebhookDraft.patched(known, patch, self.limits))
            if await self._save(webhook, known):
                await self._refresh()
                return webhook
        raise _contended(name)

    async def delete(self, name: str, *, check: Check[Webhook] = allow) -> None:
        """Reports that are on their way go on. `check` sees the webhook that is removed.

        Raises `WebhookUnknown`, `StateConflict`.
        """
        for _ in range(MAX_TRIES):
            known = await self.get(name)
            check(known)
            if await self._store.delete_webhook(known):
                await self._refresh()
                return
        raise _contended(name)

    def _changed(self, known: Webhook, draft: WebhookDraft) -> Webhook:
        """It still belongs to the submitter that made it, whose tasks it is about."""
        changed = self._made(known.name, draft, None)
        kept = replace(changed.task_filter, namespace=known.task_filter.namespace)
        return replace(changed, task_filter=kept, created_by=known.created_by, created_at=known.created_at)

    async def _save(self, webhook: Webhook, expected: Webhook | None) -> bool:
        if not (webhook.changes and webhook.enabled):
            return await self._store.save_webhook(webhook, expected=expected)
        # Before: whoever hears of the webhook must not go on from where an earlier one was deleted.
        await begin_reporting(self._store, self._clock.now())
        if not await self._store.save_webhook(webhook, expected=expected):
            return False
        # After: whoever reports hears of the webhook first, so that nothing after the answer is missed.
        await begin_reporting(self._store, self._clock.now())
        return True

    async def _find(self, name: str) -> Webhook | None:
        return next((each for each in await self._store.webhooks() if each.name == name), None)

    async def _new(self, name: str, draft: WebhookDraft, submitter: Submitter | None) -> Webhook:
        webhook = self._made(name, draft, submitter)
        namespace = webhook.task_filter.namespace
        if not NAME_PATTERN.fullmatch(name.removeprefix(namespace)):
            raise _unknown(name)  # that of another key, which only that key can make
        own = [each for each in await self._store.webhooks() if each.task_filter.namespace == namespace]
        if len(own) >= MAX_WEBHOOKS and all(each.name != name for each in own):
            raise StateConflict(f"there are {len(own)} webhooks, and at most {MAX_WEBHOOKS}: delete one")
        return webhook

    def _made(self, name: str, draft: WebhookDraft, submitter: Submitter | None) -> Webhook:
        return draft.to_webhook(
            name,
            self._settings.current.defaults.callback,
            namespace="" if submitter is None else submitter.namespace,
            created_by=None if submitter is None else submitter.name,
            now=self._clock.now(),
        )


def _unknown(name: str) -> WebhookUnknown:
    return WebhookUnknown(f"no webhook has the name {name!r}")


def _contended(name: str) -> StateConflict:
    return StateConflict(f"webhook {without_namespace(name)!r} is being changed by others; try again")
