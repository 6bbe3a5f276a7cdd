"""What `produce --dry-run` prints, from the answer of the API or its equal from the store."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from taskrunner.cli.submit_output import OutputOptions
from taskrunner.domain.codec import encode


def print_dry_run(answer: Mapping[str, Any], output: OutputOptions) -> None:
    line = encode(answer)
    # From JSON, so that the store and the API give the same words.
    text = line.decode() if output.as_json else "\n".join(_lines(orjson.loads(line)))
    sys.stdout.write(text + "\n")


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    task, target = answer["task"], answer["target"]
    yield f"{task['method']} {task['url']}" if task["url"] else f"data for {task['executor']}"
    yield _answer(answer)
    if answer["replaces_id"]:
        yield f"would take the dedup key from task {answer['replaces_id']}, cancelled unless it runs"
    if executor := answer["executor"]:
        data = "the data fits its schema" if executor["checked"] else "it has no schema"
        yield f"executor {executor['name']} ({executor['kind']}), version {executor['version']}: {data}"
    if target is not None:
        yield f"target {target['host']}:{target['port']} {target['state']}"
    for each in target["addresses"] if target is not None else ():
        refused = f" refused: {each['refusal']}" if each["refusal"] else ""
        yield f"  {each['address'] or '-'} {each['address_class'] or '-'}{refused}"
    yield f"attempts {task['max_attempts']}, each of {task['timeout']:g} s at most"
    for each in answer["attempts"]:
        after = f", {_span(each['delay_min'], each['delay_max'])} s after the one before"
        start = _span(each["earliest"], each["latest"])
        yield f"  {each['number']}. {start}{after if each['number'] > 1 else ''}"


def _answer(answer: Mapping[str, Any]) -> str:
    if answer["created"]:
        return f"would be a new task with write concern {answer['write_concern']}; nothing was submitted"
    why = "holds the dedup key" if answer["deduplicated"] else "was submitted before"
    return f"would be answered with task {answer['existing_id']}, which {why}"


def _span(first: str | float, last: str | float) -> str:
    begin, end = (each if isinstance(each, str) else f"{each:g}" for each in (first, last))
    return begin if begin == end else f"{begin} to {end}"
