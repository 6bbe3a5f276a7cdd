"""The dry runner says what a submit would do. It stores nothing and sends nothing to the target."""

import asyncio
from collections.abc import Callable

from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.targets.url import Url, parse_url
from taskrunner.domain.tasks.dry_run import DryRun, TargetState, TargetVerdict, planned_attempts
from taskrunner.domain.tasks.submitter import Submitter
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.producer.intake import Intake

CheckTarget = Callable[[Url, SsrfPolicy, float], TargetVerdict]

# Seconds that an answer waits for a name server.
_LOOKUP_TIMEOUT = 3.0
# Each takes one of Python's few default threads, which large bodies need, too.
_MAX_CHECKS = 3


class DryRunner:
    """`check_target` blocks for at most the given seconds."""

    def __init__(self, intake: Intake, check_target: CheckTarget) -> None:
        self._intake = intake
        self._check_target = check_target
        self._executors = intake.task_settings.executors
        self._room = asyncio.Semaphore(_MAX_CHECKS)

    async def run(
        self, draft: TaskDraft, *, idempotency_key: str | None = None, submitter: Submitter | None = None
    ) -> DryRun:
        """Raises as `Intake.submit` does."""
        new = await self._intake.prepare_any(draft, idempotency_key=idempotency_key, submitter=submitter)
        (foreseen,) = await self._intake.foresee([new])
        if foreseen.refusal is not None:
            raise foreseen.refusal
        return DryRun(
            task=new.task,
            write_concern=new.write_concern,
            existing_id=None if foreseen.created else foreseen.id,
            deduplicated=foreseen.deduplicated,
            replaces_id=foreseen.replaces,
            executor=None if draft.executor is None else self._executors.find(draft.executor),
            attempts=planned_attempts(new.task),
            target=None if new.task.url is None else await self._check(parse_url(new.task.url)),
        )

    async def _check(self, url: Url) -> TargetVerdict:
        policy = self._intake.task_settings.limits.ssrf_policy
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT):
                await self._room.acquire()
        except TimeoutError:
            return TargetVerdict(state=TargetState.UNKNOWN, host=url.host, port=url.port, addresses=())
        try:
            return await asyncio.to_thread(self._check_target, url, policy, _LOOKUP_TIMEOUT)
        finally:
            self._room.release()
