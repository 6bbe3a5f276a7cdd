"""Trace context: https://www.w3.org/TR/trace-context-1/."""

import re

import pytest

from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.trace import read_traceparent, traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "text", [PARENT, f" {PARENT} ", f"cc{PARENT[2:]}", f"cc{PARENT[2:]}-what-comes-later"]
)
def test_a_parent_is_read(text: str) -> None:
    """A later version is read as far as we know it."""
    assert read_traceparent(text) == PARENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        f"ff{PARENT[2:]}",
        f"{PARENT}-more",
        PARENT.replace(TRACE, "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        f"{PARENT}\r\nX: y",
    ],
)
def test_what_is_none_is_passed_over(text: str) -> None:
    assert read_traceparent(text) is None


@pytest.mark.parametrize("parent", [None, PARENT])
@pytest.mark.parametrize("task_id", ["task", new_task_id()], ids=["foreign", "ours"])
def test_each_attempt_is_a_span_of_one_trace(task_id: str, parent: str | None) -> None:
    """It is the caller's trace, where there is one, with the caller's flags."""
    sent = [traceparent(task_id, number, parent) for number in (1, 2, 2)]
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", each) for each in sent)
    traces, spans = ([each.split("-")[part] for each in sent] for part in (1, 2))
    assert (len(set(traces)), len(set(spans))) == (1, 2)
    assert spans[1] == spans[2]
    assert parent is None or traces[0] == TRACE
    assert parent not in sent


def test_tasks_without_a_parent_have_traces_of_their_own() -> None:
    assert traceparent("a", 1, None)[3:35] != traceparent("b", 1, None)[3:35]


def test_a_trace_is_found_by_the_id_of_its_task() -> None:
    """Whoever has one of our ids can paste it into a trace viewer."""
    task_id = new_task_id()
    assert traceparent(task_id, 1, None).startswith(f"00-{task_id.replace('-', '')}-")


def test_tasks_in_one_trace_have_spans_of_their_own() -> None:
    spans = {traceparent(new_task_id(), 1, PARENT)[36:52] for _ in range(1000)}
    assert len(spans) == 1000
