"""Groups of streams: each event reaches the streams whose conditions it meets, and no others."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskrunner.api.event_groups import EventGroups
from taskrunner.api.http.event_stream import EventStream
from taskrunner.domain.tasks.change import ChangeId, StatusChange
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_filter import TaskFilter, task_facts
from taskrunner.domain.value import replace
from taskrunner.producer.change_reader import TaskNews
from taskrunner.producer.task_follower import news_after
from tests.contract.stores.harness import NOW, make_task

NAMES = st.sampled_from(["a", "b"])
LABELS = st.dictionaries(NAMES, NAMES, max_size=2)
HOSTS = st.sampled_from(["one.test", "two.test"])
SPACES = st.sampled_from(["", "mine~", "theirs~"])
FILTERS = st.builds(
    TaskFilter,
    namespace=SPACES,
    status=st.none() | st.sampled_from(Status),
    queue=st.none() | st.sampled_from(["high", "low"]),
    labels=st.dictionaries(NAMES, st.none() | NAMES, max_size=2),
    host=st.none() | HOSTS,
)


class Collecting(EventStream):
    """A stream without a client."""

    def __init__(self) -> None:
        self.got: list[str] = []

    def offer(self, *events: bytes) -> None:
        self.got += [each.decode().strip() for each in events]


@st.composite
def told_news(draw: Any) -> list[TaskNews]:
    """Changes of a few tasks, in any order."""
    ids = [space + name for space in ("", "mine~", "theirs~") for name in ("a", "b")]
    tasks = {
        task_id: make_task(
            id=task_id,
            url=f"https://{draw(HOSTS)}/",
            labels=draw(LABELS),
            queue=draw(st.sampled_from(["high", "low"])),
        )
        for task_id in ids
    }
    chosen = draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(Status) | st.none()), max_size=9))
    return [
        TaskNews(
            change=StatusChange(id=ChangeId(number, 0), task_id=task_id, status=status),
            record=None if status is None else record_of(tasks[task_id], status),
        )
        for number, (task_id, status) in enumerate(chosen)
    ]


def record_of(task: Task, status: Status) -> Record:
    return Record(
        task=task,
        status=status,
        attempt=0,
        attempt_limit=3,
        due=None,
        attempts=(),
        result=None,
        error=None,
        updated_at=NOW,
        finished_at=None,
        kept_until=None,
    )


def wanted(selection: TaskFilter, each: TaskNews) -> bool:
    """The rule in one line, without groups and keys."""
    if each.record is None:
        return selection.is_empty and each.change.task_id.startswith(selection.namespace)
    return selection.matches(replace(task_facts(each.record), status=each.change.status))


def show(each: TaskNews) -> bytes:
    return b"%d\n" % each.change.id.major


@given(st.lists(FILTERS, min_size=1, max_size=6), told_news())
def test_streams_get_what_they_select(selections: list[TaskFilter], told: list[TaskNews]) -> None:
    """In order; a stream that is removed gets nothing, and nothing of it is left."""
    groups = EventGroups(str)
    streams = [(Collecting(), selection) for selection in selections]
    gone = Collecting()
    for stream, selection in streams:
        groups.add(stream, selection, "", show)
    groups.add(gone, selections[0], "", show)
    groups.remove(gone, selections[0], "")
    for each in told:
        # One by one, as the feed asks before it reads a record.
        if groups.wants(each.change):
            for call in groups.tell([each]):
                call()
    for stream, selection in streams:
        expected = [str(each.change.id.major) for each in told if wanted(selection, each)]
        assert stream.got == expected
        groups.remove(stream, selection, "")
    assert groups.is_empty
    assert gone.got == []
    assert not groups.wants(StatusChange(id=ChangeId(1, 0), task_id="a", status=None))


def of(*statuses: Status) -> list[TaskNews]:
    return [
        TaskNews(change=StatusChange(id=ChangeId(number, 0), task_id="a", status=status), record=None)
        for number, status in enumerate(statuses)
    ]


S, Q, R, D = Status.SCHEDULED, Status.QUEUED, Status.RUNNING, Status.SUCCEEDED


def test_what_was_seen_is_not_told_again() -> None:
    """A record may be newer than the place of the log from which the changes come."""
    cases: list[tuple[Status, list[Status], list[Status]]] = [
        (Q, [], []),
        (Q, [R, D], [R, D]),
        (R, [Q, R, D], [D]),
        (R, [Q, R], []),
        (Q, [S, Q, R], [R]),
    ]
    for seen, told, left in cases:
        assert [each.change.status for each in news_after(seen, of(*told))] == left
