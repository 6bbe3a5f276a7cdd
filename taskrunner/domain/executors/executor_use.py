"""The use of an executor: how the draft of a task that names one is completed."""

from collections.abc import Collection, Mapping
from typing import Any

from taskrunner.domain.errors import FieldError, TaskInvalid
from taskrunner.domain.executors.executor import Executor, ExecutorKind
from taskrunner.domain.executors.remote_lease import queue_of
from taskrunner.domain.executors.url_template import fill
from taskrunner.domain.targets.credential import check_credential
from taskrunner.domain.targets.tls_profile import check_profile
from taskrunner.domain.tasks.task_fields import check_headers
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults, TaskSettings
from taskrunner.domain.value import replace

# Fields of requests only.
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
    data = fields.pop("data")
    fields["retention"] = executor.retention
    fields["is_dead_letter"] = executor.dead_letters.enabled
    # Neither the codec nor the parser takes subclasses of str.
    fields["body"] = text = None if data is None else str(data)
    if executor.kind is ExecutorKind.HTTP:
        settings.executors.check_data(executor, text)
        fields.update(_request(executor, fields, given, settings.limits))
        return
    findings = [
        FieldError(field=each, message=f"is for HTTP, and {name} is of the kind {executor.kind}")
        for each in _HTTP_ONLY
        if each in given
    ]
    if executor.kind is ExecutorKind.REMOTE:
        findings += [
            FieldError(field=each, message=f"is not for {name}, whose tasks wait in a queue of their own")
            for each in ("queue", "priority")
            if each in given
        ]
        fields["queue"] = queue_of(name)
    if findings:
        raise TaskInvalid(findings)
    settings.executors.check_data(executor, text)


def _request(
    executor: Executor, fields: Mapping[str, Any], given: Collection[str], limits: TaskLimits
) -> dict[str, Any]:
    """The request that an executor makes for a task, with the checks of a task with a URL."""
    theirs = {each.lower() for each in fields["headers"]}
    headers = {name: value for name, value in executor.headers.items() if name.lower() not in theirs}
    headers |= fields["headers"]
    if fields["body"] is not None and not any(each.lower() == "content-type" for each in headers):
        headers["Content-Type"] = "application/json"
    tls = fields["tls"] if "tls" in given else executor.tls
    field = "data"
    try:
        url = fill(executor.url or "", fields["body"], limits)
        field = "headers"
        check_headers(headers, limits)
        field = "tls"
        if tls is not None:
            check_profile(tls, url, limits.tls_profiles)
        field = "auth"
        if fields["auth"] is not None:
            check_credential(fields["auth"], url, headers, limits.credentials)
    except ValueError as exc:
        raise TaskInvalid([FieldError(field=field, message=str(exc))]) from exc
    method = fields["method"] if "method" in given else executor.method
    return {"url": url.text, "method": method, "headers": headers, "tls": tls}
