"""The limits of executors, as those of hosts: an executor is then the host `executor:NAME`.

No host has such a name, since a port is a number.
"""

from collections.abc import Iterable

from taskrunner.domain.executor import Executor
from taskrunner.domain.host_limit import HostLimit

EXECUTOR = "executor:"


def executor_limits(executors: Iterable[Executor]) -> dict[str, HostLimit]:
    """By the names that they have among hosts."""
    return {
        f"{EXECUTOR}{each.name}": HostLimit(concurrency=each.concurrency, rate=each.rate, burst=each.burst)
        for each in executors
        if each.concurrency is not None or each.rate is not None
    }
