"""Submits through the API for `produce --api`, prints, and waits for results."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TypeVar

from taskrunner.cli.api_client import ACCEPTED_STATUSES, ApiClient
from taskrunner.cli.dry_run_output import print_dry_run
from taskrunner.cli.line_ids import LineIds
from taskrunner.cli.progress import SubmitProgress
from taskrunner.cli.submit_output import (
    EXIT_REFUSED,
    OutputOptions,
    SubmitSummary,
    print_known,
    print_not_ended,
    print_not_found,
    print_result,
    print_submitted,
)
from taskrunner.domain.errors import ApiUnavailable, FieldError, TaskInvalid
from taskrunner.domain.json_text import join, members
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.status import TERMINAL
from taskrunner.producer.batch_reader import EXCLUSIVE_FIELDS, RefusedLine, check_length, meaningful
from taskrunner.runtime.backoff import Backoff

# Seconds between two reads of a task that is waited for.
_POLL = 0.25
# How long to wait for an API that becomes unreachable.
_PATIENCE = 60.0
# The lines of one request, within the API's default limits.
_BATCH = 500
_BATCH_BYTES = 256 * 1024

Response = TypeVar("Response")


def submit_one(client: ApiClient, fields: Mapping[str, Any], output: OutputOptions) -> int:
    """Submit a task; returns the exit code."""
    if output.dry_run:
        print_dry_run(client.dry_run(fields, idempotency_key=output.idempotency_key), output)
        return 0
    answer = client.submit(fields, idempotency_key=output.idempotency_key)
    print_known(answer)
    print_submitted(answer, output)
    if not output.wait:
        return 0
    sys.stdout.flush()
    return _print_results(client, [answer["id"]], output)


def submit_file(
    client: ApiClient,
    source: BinaryIO,
    fields: Mapping[str, Any],
    output: OutputOptions,
    line_ids: LineIds | None,
) -> int:
    """Submit every line that is a task and print the others as errors; returns the exit code.

    Each line gets its id here, so that a request whose response was lost can be repeated.
    """
    progress = SubmitProgress(source)
    summary = SubmitSummary(source, output, line_ids is not None, progress)
    make_id = (lambda number, line: new_task_id()) if line_ids is None else line_ids.id_of
    with summary.reporting():
        for batch in _batches(meaningful(progress.lines()), summary):
            _submit_batch(client, batch, fields, make_id, summary)
    failed = _print_results(client, summary.ids, output)
    return EXIT_REFUSED if summary.refused else failed


def _submit_batch(
    client: ApiClient,
    batch: list[tuple[int, bytes]],
    fields: Mapping[str, Any],
    make_id: Callable[[int, bytes], str],
    summary: SubmitSummary,
) -> None:
    sent = [_task_line(number, line, fields, make_id) for number, line in batch]
    requests = 0

    def send() -> list[dict[str, Any]]:
        nonlocal requests
        requests += 1
        return client.submit_lines([line for line, _ in sent], dry_run=summary.output.dry_run)

    items = _retry_while_unavailable(send)
    accepted: list[dict[str, Any]] = []
    for (number, _), (_, has_our_id), item in zip(batch, sent, items, strict=True):
        if item["status"] in ACCEPTED_STATUSES:
            # An earlier request of ours may have created the task.
            created = item["created"] or (requests > 1 and has_our_id and item["status"] == 202)
            answer = {name: item[name] for name in ("id", "url", "published")}
            accepted.append({**answer, "created": created})
        else:
            errors = [FieldError(**error) for error in item["errors"]]
            summary.add_refused(RefusedLine(number=number, error=TaskInvalid(errors)))
    summary.count(accepted, lines=batch[-1][0])


def _task_line(
    number: int, line: bytes, fields: Mapping[str, Any], make_id: Callable[[int, bytes], str]
) -> tuple[bytes, bool]:
    """The line with `fields` added where it does not set them, and whether its id was made here.

    Each member stays byte for byte as it was. An unreadable line is sent unchanged: the API explains best
    what is wrong with it.
    """
    try:
        given = _spelt(line.decode())
    except ValueError:
        return line, False
    kept = {n: json.dumps(v) for n, v in fields.items() if EXCLUSIVE_FIELDS.get(n) not in given}
    # As in a submit to the store, an id of null is none.
    needs_id = given.get("id", "null") == "null" and "idempotency_key" not in given
    new_id = {"id": json.dumps(make_id(number, line))} if needs_id else {}
    return join({**kept, **given, **new_id}).encode(), needs_id


def _spelt(line: str) -> dict[str, str]:
    """The members of a line, which is an object, or a URL alone, plain or as a JSON string."""
    if line.startswith("{"):
        return members(line, opaque="body")
    if not line.startswith('"'):
        return {"url": json.dumps(line)}
    json.loads(line)
    return {"url": line}


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
            summary.add_refused(RefusedLine(number=number, error=exc))
            continue
        batch.append((number, line))
        size_bytes += len(line)
    if batch:
        yield batch


def _print_results(client: ApiClient, ids: Iterable[str], output: OutputOptions) -> int:
    code = 0
    give_up = time.monotonic() + output.wait_timeout
    for task_id in ids:
        task = _wait(client, task_id, give_up)
        if task is None:
            code = max(code, print_not_found(task_id))
        elif task["status"] in TERMINAL:
            code = max(code, print_result(task, output))
        else:
            code = print_not_ended(task_id, task["status"], output)
    return code


def _wait(client: ApiClient, task_id: str, give_up: float) -> dict[str, Any] | None:
    while True:
        task = _retry_while_unavailable(lambda: client.task(task_id))
        if task is None or task["status"] in TERMINAL or time.monotonic() >= give_up:
            return task
        time.sleep(_POLL)


def _retry_while_unavailable(request: Callable[[], Response]) -> Response:
    backoff = Backoff()
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return request()
        except ApiUnavailable:
            if time.monotonic() >= give_up:
                raise
            time.sleep(backoff.next())
