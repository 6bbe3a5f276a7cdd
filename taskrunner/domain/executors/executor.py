"""An executor: a named way to run tasks, with the policies of the tasks that name it."""

import re
from collections.abc import Mapping
from enum import StrEnum

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.value import Value, field

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")
# The handler of tasks that name no executor. Nobody may make one of this name.
BUILT_IN = "http"
# All are read once a second by every process.
MAX_EXECUTORS = 200


class ExecutorKind(StrEnum):
    """Who runs the tasks of an executor."""

    HTTP = "http"  # they are requests to the executor's URL
    PYTHON = "python"  # functions in the workers of a consumer
    REMOTE = "remote"  # programs that lease them


class ManagedBy(StrEnum):
    """Who decides on the fields of an executor."""

    OPERATOR = "operator"
    # A registration of handlers may change it, until an operator does.
    CODE = "code"


class DeadLetterPolicy(Value, omit_defaults=False):
    """Whether a failed task becomes a dead letter."""

    enabled: bool = True


class Executor(Value):
    """What tasks of this executor are, who runs them, and the policies of those that set none.

    - `schema`: the JSON Schema of the tasks' data, byte for byte as given.
    - `url`, `method`, `headers`, `tls`: for the kind http; `url` may have {placeholders}.
    - `retry`, `max_attempts`, `timeout`, `queue`, `write_concern`: of a task that sets none; None for the
      defaults of the configuration.
    - `concurrency`, `rate`, `burst`: attempts at a time, starts per second, starts at once after a rest.
    - `retention`: the seconds that a finished task is kept; None for the configuration's.
    - `version` grows by one with each change.
    """

    name: str
    kind: ExecutorKind
    enabled: bool = True
    description: str | None = None
    schema: str | None = None
    url: str | None = None
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: str | None = None
    retry: RetryPolicy | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    queue: str | None = None
    write_concern: WriteConcern | None = None
    concurrency: int | None = None
    rate: float | None = None
    burst: int | None = None
    retention: float | None = None
    dead_letters: DeadLetterPolicy = DeadLetterPolicy()
    managed_by: ManagedBy = ManagedBy.OPERATOR
    version: int = 1
    created_at: AwareDatetime
    updated_at: AwareDatetime
