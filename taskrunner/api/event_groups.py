"""The streams of many tasks: those with the same conditions share one search and one text per event."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from taskrunner.api.http.event_stream import EventStream, gap
from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.change import ChangeId, StatusChange
from taskrunner.domain.tasks.submitter import namespace_of
from taskrunner.domain.tasks.task_filter import TaskFacts, TaskFilter, task_facts
from taskrunner.domain.value import replace
from taskrunner.producer.change_reader import TaskNews

# How a caller is shown an event.
Show = Callable[[TaskNews], bytes]
# The condition by which a group is found: a label, a label of any value, or a host; None for another one.
Key = tuple[str, ...] | None

_MOST_UNWANTED = 20_000


@dataclass(slots=True, eq=False)
class EventGroup:
    """Streams with the same conditions, whose callers see the same. `prefix` is that of links.

    `lasting` are the conditions on what never changes of a task.
    """

    selection: TaskFilter
    lasting: TaskFilter
    prefix: str
    show: Show
    streams: dict[EventStream, None] = field(default_factory=dict)

    @property
    def view(self) -> tuple[str, str]:
        """Groups with the same view are shown the same events."""
        return self.selection.namespace, self.prefix


class EventGroups:
    """See `FeedListener`."""

    def __init__(self, event_id: Callable[[ChangeId], str]) -> None:
        self._event_id = event_id
        self._groups: dict[bytes, EventGroup] = {}
        self._by_key: dict[Key, dict[EventGroup, None]] = {}
        self._namespaces: frozenset[str] = frozenset()
        # Tasks that no group will ever want: their records need not be read for each change.
        self._unwanted: dict[str, None] = {}

    def add(self, stream: EventStream, selection: TaskFilter, prefix: str, show: Show) -> None:
        name = encode((selection, prefix))
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = EventGroup(selection, _lasting(selection), prefix, show)
            self._by_key.setdefault(_key(selection), {})[group] = None
            self._know_namespaces()
            self._unwanted.clear()
        group.streams[stream] = None

    def remove(self, stream: EventStream, selection: TaskFilter, prefix: str) -> None:
        name = encode((selection, prefix))
        group = self._groups.get(name)
        if group is None or stream not in group.streams:
            return
        del group.streams[stream]
        if not group.streams:
            del self._groups[name]
            others = self._by_key[_key(selection)]
            del others[group]
            if not others:
                del self._by_key[_key(selection)]
            self._know_namespaces()

    @property
    def is_empty(self) -> bool:
        return not self._groups

    def wants(self, change: StatusChange) -> bool:
        if change.task_id in self._unwanted:
            return False
        return "" in self._namespaces or namespace_of(change.task_id) in self._namespaces

    def tell(self, news: Sequence[TaskNews]) -> Iterable[Callable[[], None]]:
        offered: dict[EventGroup, list[bytes]] = {}
        for each in news:
            if self.wants(each.change):
                shown: dict[tuple[str, str], bytes] = {}
                for group in self._select(each):
                    if group.view not in shown:
                        shown[group.view] = group.show(each)
                    offered.setdefault(group, []).append(shown[group.view])
        for group, events in offered.items():
            for stream in group.streams:
                yield partial(stream.offer, *events)

    def lose(self, place: ChangeId) -> Iterable[Callable[[], None]]:
        text = gap(self._event_id(place))
        for group in self._groups.values():
            for stream in group.streams:
                yield partial(stream.offer, text)

    def _select(self, news: TaskNews) -> list[EventGroup]:
        facts = facts_of(news)
        found = list(self._candidates(facts))
        selected = [group for group in found if selects(group.selection, news, facts)]
        if facts is not None and not selected and not any(group.lasting.matches(facts) for group in found):
            if len(self._unwanted) >= _MOST_UNWANTED:
                del self._unwanted[next(iter(self._unwanted))]
            self._unwanted[news.change.task_id] = None
        return selected

    def _candidates(self, facts: TaskFacts | None) -> Iterator[EventGroup]:
        keys: list[Key] = [None]
        if facts is not None:
            keys += [("label", name, value) for name, value in facts.labels.items()]
            keys += [("label", name) for name in facts.labels]
            keys += [("host", host) for host in facts.hosts if host is not None]
        # A host may have two names that are alike, with and without its port.
        for key in dict.fromkeys(keys):
            yield from self._by_key.get(key, ())

    def _know_namespaces(self) -> None:
        self._namespaces = frozenset(group.selection.namespace for group in self._groups.values())


def facts_of(news: TaskNews) -> TaskFacts | None:
    """Of the task when it came to that status; None of one that is gone."""
    if news.record is None:
        return None
    return replace(task_facts(news.record), status=news.change.status)


def selects(selection: TaskFilter, news: TaskNews, facts: TaskFacts | None) -> bool:
    """Whether the group wants this event.

    Nothing is known of a deleted task, so only groups without conditions get it.
    """
    if facts is not None:
        return selection.matches(facts)
    return selection.is_empty and news.change.task_id.startswith(selection.namespace)


def _lasting(selection: TaskFilter) -> TaskFilter:
    return replace(
        selection, status=None, outcome=None, reason=None, finished_after=None, finished_before=None
    )


def _key(selection: TaskFilter) -> Key:
    for name, value in selection.labels.items():
        return ("label", name) if value is None else ("label", name, value)
    return None if selection.host is None else ("host", selection.host)
