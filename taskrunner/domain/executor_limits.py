"""The limits of executors, as those of hosts: an executor is then the host `executor:NAME`.

No host has such a name, since a port is a number.
"""

from collections.abc import Iterable

from taskrunner.domain.executor import Executor
from taskrunner.domain.host_limit import HostLimit

EXECUTOR = "executor:"
# Each lease of a remote executor has a slot of 50 bytes in the state, which is written as a whole.
MOST_REMOTE_SLOTS = 2_000


def host_name_of(executor: str) -> str:
    """The name that an executor has among hosts."""
    return f"{EXECUTOR}{executor}"


def limit_of(executor: Executor) -> HostLimit | None:
    """None for an executor without limits."""
    if executor.concurrency is None and executor.rate is None:
        return None
    return HostLimit(concurrency=executor.concurrency, rate=executor.rate, burst=executor.burst)


def executor_limits(executors: Iterable[Executor]) -> dict[str, HostLimit]:
    """By the names that they have among hosts."""
    found = ((host_name_of(each.name), limit_of(each)) for each in executors)
    return {name: limit for name, limit in found if limit is not None}
