"""Request counts: the requests of the HTTP API by route and status, and how long each route takes.

A route is the pattern of a path, so there are as many as the application has, whatever clients ask for.
"""

from collections import Counter
from typing import NamedTuple

from taskrunner.domain.process_events import RequestAnswered
from taskrunner.monitor.histogram import CALL_BUCKETS, OTHERS, Histograms

# More than there are routes.
_MOST_ROUTES = 300


class RequestLabels(NamedTuple):
    """Of a request that no route took, method and route are `(other)`."""

    method: str
    route: str
    status: str


class RequestCounts:
    """Counts from the start of this process."""

    def __init__(self) -> None:
        self.seconds = Histograms(CALL_BUCKETS, most=_MOST_ROUTES)
        self.answers: Counter[RequestLabels] = Counter()

    def add(self, event: RequestAnswered) -> None:
        route = event.route or (OTHERS, OTHERS)
        self.seconds.observe(route, event.elapsed)
        self.answers[RequestLabels(*route, str(event.status))] += 1
