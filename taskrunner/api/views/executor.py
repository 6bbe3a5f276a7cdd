"""The view of an executor."""

from collections.abc import Mapping, Sequence
from typing import Self

import msgspec

from taskrunner.api.views.view import View
from taskrunner.domain.executors.executor import DeadLetterPolicy, Executor, ExecutorKind, ManagedBy
from taskrunner.domain.masking import Masking, masked_template
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.domain.tasks.write_concern import WriteConcern


class ExecutorView(View):
    """An executor. `null` in a policy: as the configuration says; in a limit: none.

    `schema` is the JSON Schema of its tasks' data. `url`, `method`, `headers` and `tls` are those of the kind
    http. With `managed_by: code`, a registration of handlers may change it.
    """

    name: str
    kind: ExecutorKind
    enabled: bool
    description: str | None
    schema: msgspec.Raw | None
    url: str | None
    method: str | None
    headers: Mapping[str, str] | None
    tls: str | None
    retry: RetryPolicy | None
    max_attempts: int | None
    timeout: float | None
    queue: str | None
    write_concern: WriteConcern | None
    concurrency: int | None
    rate: float | None
    burst: int | None
    retention: float | None
    dead_letters: DeadLetterPolicy
    managed_by: ManagedBy
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, executor: Executor, masking: Masking) -> Self:
        is_http = executor.kind is ExecutorKind.HTTP
        return cls.copy(
            executor,
            schema=None if executor.schema is None else msgspec.Raw(executor.schema.encode()),
            url=None if executor.url is None else masked_template(executor.url),
            method=executor.method if is_http else None,
            headers=masking.headers(executor.headers) if is_http else None,
        )


class ExecutorList(View):
    """All executors, by name."""

    executors: Sequence[ExecutorView]
