"""The routes for server-sent events: of one task, and of all that the conditions select."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from taskrunner.api.auth.access import caller_of, stored_id
from taskrunner.api.auth.scopes import READ
from taskrunner.api.event_groups import EventGroups, facts_of, selects
from taskrunner.api.event_ids import seal, unseal
from taskrunner.api.http.event_stream import CONTENT_TYPE, EventStream, event, gap, head_only, hello
from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.parameters import LAST_EVENT_ID, LAST_EVENT_ID_QUERY, TASK_CONDITIONS
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import header_value, prefix_of
from taskrunner.api.http.responses import empty_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.task_stream import TaskStream
from taskrunner.api.views.task import TaskView
from taskrunner.api.views.task_event import EventGapView, TaskEventView
from taskrunner.domain.errors import OutsideError, TaskUnknown
from taskrunner.domain.tasks.change import ChangeId
from taskrunner.domain.tasks.status import TERMINAL
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.producer.change_reader import ChangesLost, TaskNews
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.stores.base import Store

# What waits in memory until a client that has come back to a task is answered; one that missed more gets a
# gap. An attempt brings up to three changes.
_MOST_MISSED = 100
_RESUME = (LAST_EVENT_ID, LAST_EVENT_ID_QUERY)
_OF_TASK = Operation(
    summary="Events of a task: as it is now, and as its status changes; the stream ends when the task does.",
    answers={200: CONTENT_TYPE, 204: None},
    parameters=_RESUME,
    problems=(400, 404, 429, 503),
    events=(TaskEventView, EventGapView),
)
_OF_ALL = Operation(
    summary="Events of the tasks that the conditions select, as their status changes.",
    answers={200: CONTENT_TYPE},
    parameters=(*TASK_CONDITIONS, *_RESUME),
    problems=(400, 429, 503),
    events=(TaskEventView, EventGapView),
)


class EventRoutes:
    """`GET /tasks/{id}/events` and `GET /events`."""

    def __init__(self, feed: TaskFeed, live: LiveRequests, store: Store, options: ApiSettings) -> None:
        self._feed = feed
        self._live = live
        self._store = store
        self._options = options
        self._groups = EventGroups(self._event_id)

    def add_to(self, routes: Routes) -> None:
        routes.get("/tasks/{id}/events", self.of_task, _OF_TASK)
        routes.get("/events", self.of_all, _OF_ALL)

    async def of_task(self, request: web.Request) -> web.StreamResponse:
        """A client that has had the last event gets 204, which tells it not to come back."""
        query = Query(request, _OF_TASK.parameters)
        last_id = _last_event_id(request, query)
        query.refuse_if_wrong()
        task_id = stored_id(request)
        record = await self._store.get(task_id)
        if record is None:
            raise TaskUnknown.of(task_id)
        if request.method == "HEAD":
            return head_only()
        stream = TaskStream(request, task_id, self._show(request), self._event_id)
        with self._live.streaming(request, stream, READ), self._feed.kept_running():
            await self._feed.wait_ready()
            stream.offer(hello(None))
            try:
                knows_all = await self._begin(stream, last_id)
                if knows_all and record.status in TERMINAL:
                    return empty_response()
                await stream.open()
                return await _finished(stream, stream.run())
            finally:
                self._feed.unwatch(stream)

    async def of_all(self, request: web.Request) -> web.StreamResponse:
        query = Query(request, _OF_ALL.parameters)
        last_id, selection = _last_event_id(request, query), query.selection()
        query.refuse_if_wrong()
        selection = caller_of(request).selection(selection)
        if request.method == "HEAD":
            return head_only()
        stream = _SelectedStream(request, lambda: self._event_id(self._feed.place))
        with self._live.streaming(request, stream, READ), self._feed.kept_running():
            await self._feed.wait_ready()
            await stream.open()
            return await _finished(stream, self._send_all(request, stream, selection, last_id))

    async def _begin(self, stream: TaskStream, last_id: str | None) -> bool:
        """Watch the task; whether the client knows all that has happened to it."""
        place = self._place_of(last_id)
        try:
            missed: list[TaskNews] = []
            if place is None:
                raise ChangesLost
            async for news, _ in self._feed.replay(place, lambda change: change.task_id == stream.task_id):
                missed += news
                if len(missed) > _MOST_MISSED:
                    raise ChangesLost
        except ChangesLost:
            if last_id is not None:
                stream.offer(gap(self._event_id(self._feed.place)))
            self._feed.watch(stream)
            return False
        self._feed.watch(stream, begin=False)
        stream.go_on(missed)
        return not missed

    async def _send_all(
        self, request: web.Request, stream: "_SelectedStream", selection: TaskFilter, last_id: str | None
    ) -> web.StreamResponse:
        show, prefix = self._show(request), prefix_of(request)
        if last_id is not None:
            stream.offer(hello(last_id))
            await self._send_missed(stream, selection, show, last_id)
        else:
            stream.offer(hello(self._event_id(self._feed.place)))
        # No other coroutine has run since the place up to which the client has been told.
        self._groups.add(stream, selection, prefix, show)
        self._feed.listen(self._groups)
        stream.is_current = True
        try:
            return await stream.run()
        finally:
            self._groups.remove(stream, selection, prefix)
            if self._groups.is_empty:
                self._feed.unlisten(self._groups)

    async def _send_missed(
        self, stream: EventStream, selection: TaskFilter, show: Callable[[TaskNews], bytes], last_id: str
    ) -> None:
        place = self._place_of(last_id)
        try:
            if place is None:
                raise ChangesLost
            missed = self._feed.replay(place, lambda change: change.task_id.startswith(selection.namespace))
            async for news, _ in missed:
                for each in news:
                    if selects(selection, each, facts_of(each)):
                        stream.offer(show(each))
                        await stream.write_pending()
        except ChangesLost:
            stream.offer(gap(self._event_id(self._feed.place)))

    def _show(self, request: web.Request) -> Callable[[TaskNews], bytes]:
        """How the caller is shown an event."""
        caller, prefix, masking = caller_of(request), prefix_of(request), self._options.masking

        def show(news: TaskNews) -> bytes:
            record = news.record
            view = TaskEventView(
                task_id=caller.shown(news.change.task_id),
                status=news.change.status,
                task=None
                if record is None
                else TaskView.of(caller.shown_record(record), masking, prefix=prefix),
            )
            return event(news.change.event, self._event_id(news.change.id), view)

        return show

    def _event_id(self, place: ChangeId) -> str:
        return seal(place, self._feed.secret)

    def _place_of(self, last_id: str | None) -> ChangeId | None:
        return None if last_id is None else unseal(last_id, self._feed.secret)


class _SelectedStream(EventStream):
    """`is_current` once the client has got what it had missed."""

    def __init__(self, request: web.Request, present_id: Callable[[], str]) -> None:
        super().__init__(request)
        self._present_id = present_id
        self.is_current = False

    def heartbeat_id(self) -> str | None:
        return self._present_id() if self.is_current else None


async def _finished(stream: EventStream, work: Any) -> web.StreamResponse:
    """The response of a stream that is open: no problem can be answered any more."""
    try:
        response: web.StreamResponse = await work
        return response
    except OutsideError:
        # The client connects again, and gets the error then.
        return stream.response
    except Exception:
        stream.cut()
        raise


def _last_event_id(request: web.Request, query: Query) -> str | None:
    """The header, which a browser sends with the URL that it was given, is the newer one."""
    in_query = query.get(LAST_EVENT_ID_QUERY)
    return header_value(request, LAST_EVENT_ID) or in_query
