"""What `produce --api` does: submit to a `serve` elsewhere, and wait for results there."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import requests

from taskrunner.cli.printing import (
    EXIT_REFUSED,
    Job,
    SubmitSummary,
    print_gone,
    print_result,
    print_submitted,
    progress,
)
from taskrunner.domain.errors import ApiUnavailable, CallerError, FieldError, TaskInvalid
from taskrunner.domain.masking import mask_user_info
from taskrunner.domain.status import TERMINAL
from taskrunner.domain.task_id import new_task_id
from taskrunner.producer.bulk_submit import RIVALS, Refused, check_length, meaningful
from taskrunner.runtime.backoff import Backoff
from taskrunner.version import __version__

# Seconds to connect, and to get an answer.
_TIMEOUT = (10.0, 60.0)
_POLL = 0.25
# How long an API that went away in the middle is waited for.
_PATIENCE = 60.0
# Lines of one request, within what an API takes by default.
_BATCH = 500
_BATCH_BYTES = 256 * 1024

Answer = TypeVar("Answer")


class _TooLarge(CallerError):
    """A request holds more than the API takes."""


class Remote:
    """An API by its base URL. Raises `ApiUnavailable`, `TaskInvalid`, or `CallerError` for other refusals."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._shown = mask_user_info(self._url)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"taskrunner/{__version__}"

    def submit(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The accepted task, with `created` and `published` beside it."""
        response = self._ask("POST", "/tasks", json.dumps(fields).encode(), "application/json")
        task: dict[str, Any] = response.json()
        created = "Idempotency-Replayed" not in response.headers
        published = created and task["status"] == "queued"
        return {"id": task["id"], "url": task["url"], "created": created, "published": published}

    def submit_lines(self, lines: list[bytes]) -> list[dict[str, Any]]:
        """What became of each, in order."""
        try:
            response = self._ask("POST", "/tasks/bulk", b"\n".join(lines), "application/x-ndjson")
        except _TooLarge as exc:
            if len(lines) == 1:
                return [{"status": 413, "errors": [{"field": "", "message": str(exc)}]}]
            half = len(lines) // 2
            return self.submit_lines(lines[:half]) + self.submit_lines(lines[half:])
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    def task(self, task_id: str) -> dict[str, Any] | None:
        response = self._ask("GET", f"/tasks/{quote(task_id)}", missing_is_fine=True)
        task: dict[str, Any] | None = None if response.status_code == 404 else response.json()
        return task

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        media_type: str | None = None,
        *,
        missing_is_fine: bool = False,
    ) -> requests.Response:
        headers = {} if media_type is None else {"Content-Type": media_type}
        try:
            response = self._session.request(
                method, self._url + path, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as exc:
            raise CallerError(f"--api: {self._shown} is no URL of an API") from exc
        except requests.RequestException as exc:
            raise ApiUnavailable(f"cannot reach the API at {self._shown}: {_reason(exc)}") from exc
        problem = _problem(response)
        if response.ok and response.status_code < 300 and problem is not None:
            return response
        if (
            missing_is_fine
            and response.status_code == 404
            and problem
            and problem.get("code") == "task_unknown"
        ):
            return response
        raise self._refusal(response.status_code, problem)

    def _refusal(self, status: int, problem: dict[str, Any] | None) -> Exception:
        if status >= 500:
            detail = (problem or {}).get("detail", "no answer of taskrunner's")
            return ApiUnavailable(f"the API at {self._shown} answered {status}: {detail}")
        if problem is None or "code" not in problem:
            return CallerError(f"--api: there is no taskrunner API at {self._shown} (it answered {status})")
        if status == 413:
            return _TooLarge(problem["detail"])
        if problem.get("errors"):
            return TaskInvalid([FieldError(**error) for error in problem["errors"]])
        return CallerError(f"the API at {self._shown} answered {status}: {problem['detail']}")


def submit_one(remote: Remote, fields: Mapping[str, Any], job: Job) -> int:
    """Submit a task; answers the exit code."""
    answer = remote.submit(fields)
    if job.wait:
        return _print_results(remote, [answer["id"]], job)
    print_submitted(answer, job)
    return 0


def submit_file(remote: Remote, source: BinaryIO, fields: Mapping[str, Any], job: Job) -> int:
    """Submit every line that is a task, tell of those that are none; answers the exit code.

    Each line gets its id here, so that a request whose answer was lost can be sent again.
    """
    summary = SubmitSummary(source, job, [])
    lines = 0
    with progress(source) as shown:
        for batch in _batches(meaningful(shown), summary):
            try:
                _submit_batch(remote, batch, fields, summary)
            except ApiUnavailable as exc:
                where = f"{summary.accepted} tasks accepted, go on after line {lines}"
                raise ApiUnavailable(f"{exc}; {where}") from exc
            lines = batch[-1][0]
    summary.tell()
    failed = _print_results(remote, summary.ids, job)
    return EXIT_REFUSED if summary.refused else failed


def _submit_batch(
    remote: Remote, batch: list[tuple[int, bytes]], fields: Mapping[str, Any], summary: SubmitSummary
) -> None:
    sent = [_task_line(line, fields) for _, line in batch]
    tries = 0

    def send() -> list[dict[str, Any]]:
        nonlocal tries
        tries += 1
        return remote.submit_lines([line for line, _ in sent])

    items = _patiently(send)
    for (number, _), (_, our_id), item in zip(batch, sent, items, strict=True):
        if item["status"] == 202:
            # What a try before this one has made is ours, too.
            summary.add(
                {
                    "id": item["id"],
                    "url": item["url"],
                    "created": item["created"] or (tries > 1 and our_id),
                    "published": item["published"],
                }
            )
        else:
            errors = [FieldError(**error) for error in item["errors"]]
            summary.refuse(Refused(number=number, error=TaskInvalid(errors)))


def _task_line(line: bytes, fields: Mapping[str, Any]) -> tuple[bytes, bool]:
    """The line with `fields` where it does not say them itself, and whether its id is of our making.

    What cannot be read is sent as it is, since the API tells best what is wrong with it.
    """
    try:
        said = json.loads(line) if line.startswith(b"{") else {"url": line.decode()}
    except (ValueError, RecursionError):
        return line, False
    kept = {name: value for name, value in fields.items() if RIVALS.get(name) not in said}
    own = "id" not in said
    made = {"id": new_task_id()} if own else {}
    return json.dumps({**kept, **made, **said}).encode(), own


def _batches(lines: Iterable[tuple[int, bytes]], summary: SubmitSummary) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size_bytes = 0
    for number, line in lines:
        if batch and (len(batch) >= _BATCH or size_bytes + len(line) > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        try:
            check_length(line)
        except TaskInvalid as exc:
            summary.refuse(Refused(number=number, error=exc))
            continue
        batch.append((number, line))
        size_bytes += len(line)
    if batch:
        yield batch


def _print_results(remote: Remote, ids: Iterable[str], job: Job) -> int:
    code = 0
    for task_id in ids:
        task = _wait(remote, task_id)
        code = max(code, print_gone(task_id) if task is None else print_result(task, job))
    return code


def _wait(remote: Remote, task_id: str) -> dict[str, Any] | None:
    while True:
        task = _patiently(lambda: remote.task(task_id))
        if task is None or task["status"] in TERMINAL:
            return task
        time.sleep(_POLL)


def _patiently(ask: Callable[[], Answer]) -> Answer:
    backoff = Backoff()
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return ask()
        except ApiUnavailable:
            if time.monotonic() >= give_up:
                raise
            time.sleep(backoff.next())


def _reason(exc: requests.RequestException) -> str:
    """What the system said, which stands below the layers of the driver."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return type(exc).__name__


def _problem(response: requests.Response) -> dict[str, Any] | None:
    """The answer's JSON object; None where it has none."""
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
