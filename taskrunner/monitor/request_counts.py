"""Request counts: the requests of the HTTP API by route and status, and how long each route takes.

A route is the pattern of a path, so there are as many as the application has, whatever clients ask for.
"""

from collections import Counter
from collections.abc import Mapping

from taskrunner.domain.process_events import RequestAnswered
from taskrunner.monitor.histogram import CALL_BUCKETS, OTHERS, Histograms

# More than there are routes.
_MOST_ROUTES = 300
_NO_ROUTE = (OTHERS, OTHERS)


class RequestCounts:
    """Counts from the start of this process. Of a request that no route took, both labels are `(other)`."""

    def __init__(self) -> None:
        self.seconds = Histograms(CALL_BUCKETS, most=_MOST_ROUTES)
        self._answers: Counter[tuple[tuple[str, str], int]] = Counter()

    def add(self, event: RequestAnswered) -> None:
        route = event.route or _NO_ROUTE
        self.seconds.observe(route, event.elapsed)
        self._answers[route, event.status] += 1

    def answers(self) -> Mapping[tuple[str, str, str], int]:
        """How many, by method, route and status."""
        return {(*route, str(status)): count for (route, status), count in self._answers.items()}
