"""Call times: how long the calls of the store and the broker take, how many they answer, and which fail.

Only the calls that tasks wait for are measured: each takes a batch, so what measuring costs is shared.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import Any

from taskrunner.monitor.histogram import CALL_BUCKETS, SIZE_BUCKETS, Histograms

# Those of the seams that take a batch; all but `take_due` get it as their first argument.
STORE_CALLS = ("accept", "mark_queued", "take_due", "claim", "renew", "settle", "snooze")
BROKER_CALLS = ("publish",)
_MOST = len(STORE_CALLS) + len(BROKER_CALLS)

Call = Callable[..., Awaitable[Any]]


class CallTimes:
    """Labels are the service, such as `redis`, and the operation."""

    def __init__(self) -> None:
        self.seconds = Histograms(CALL_BUCKETS, most=_MOST)
        self.sizes = Histograms(SIZE_BUCKETS, most=_MOST)
        self.errors: Counter[tuple[str, ...]] = Counter()

    def watch(self, service: str, owner: object, operations: Sequence[str]) -> None:
        """Measure these methods of `owner` from now on."""
        for name in operations:
            # From 0, so that the first failure is an increase.
            self.errors[service, name] = 0
            # On the object, so that neither the adapters nor who calls them know of it.
            setattr(owner, name, self._measured((service, name), getattr(owner, name)))

    def _measured(self, labels: tuple[str, str], call: Call) -> Call:
        seconds, sizes, errors = self.seconds, self.sizes, self.errors

        async def measured(*args: Any, **options: Any) -> Any:
            started = time.monotonic()
            try:
                answer = await call(*args, **options)
            except Exception:
                errors[labels] += 1
                raise
            finally:
                seconds.observe(labels, time.monotonic() - started)
            batch = args[0] if args else answer
            if isinstance(batch, Sized):
                sizes.observe(labels, len(batch))
            return answer

        return measured
