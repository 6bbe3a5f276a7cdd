"""The use of an executor: how the draft of a task that names one is completed."""

from collections.abc import Collection, Mapping
from typing import Any

from taskrunner.domain.errors import FieldError, TaskInvalid
from taskrunner.domain.executor import ExecutorKind
from taskrunner.domain.task_settings import TaskDefaults, TaskSettings
from taskrunner.domain.value import replace

# What only a request has.
_HTTP_ONLY = (
    "method",
    "headers",
    "tls",
    "auth",
    "redirects",
    "rules",
    "rules_unreadable",
    "retry_on",
    "fail_on",
    "retry_unsafe",
)


def settings_for(name: str, settings: TaskSettings) -> TaskSettings:
    """`settings` with the policies of an executor as the defaults of its tasks.

    Raises as `ExecutorSource.for_new_task` does.
    """
    executor = settings.executors.for_new_task(name)
    given: Mapping[str, Any] = {
        "timeout": executor.timeout,
        "max_attempts": executor.max_attempts,
        "retry": executor.retry,
        "write_concern": executor.write_concern,
        "queue": executor.queue,
    }
    policies = {name: value for name, value in given.items() if value is not None}
    defaults: TaskDefaults = replace(settings.defaults, **policies)
    return replace(settings, defaults=defaults)


def complete(fields: dict[str, Any], given: Collection[str], name: str, settings: TaskSettings) -> None:
    """Turn the fields of a draft into those of a task of an executor; `given` are the names that it has.

    Raises `TaskInvalid` with all findings, and as `ExecutorSource.for_new_task` does.
    """
    executor = settings.executors.for_new_task(name)
    if executor.kind is ExecutorKind.HTTP:
        raise TaskInvalid([FieldError(field="executor", message="http executors are not there yet")])
    findings = [
        FieldError(field=each, message=f"is for HTTP, and {name} is of the kind {executor.kind}")
        for each in _HTTP_ONLY
        if each in given
    ]
    if findings:
        raise TaskInvalid(findings)
    data = fields.pop("data")
    # Neither the codec nor the parser takes subclasses of str.
    fields["body"] = None if data is None else str(data)
    settings.executors.check_data(executor, fields["body"])
