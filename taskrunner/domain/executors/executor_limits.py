"""The limits of executors, as those of hosts: an executor is then the host `executor:NAME`.

No host has such a name, since a port is a number.
"""

from collections.abc import Iterable

from taskrunner.domain.executors.executor import NAME_PATTERN, Executor
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_name import check_host_name
from taskrunner.domain.messages import shown

EXECUTOR = "executor:"
# Each lease of a remote executor has a slot of 50 bytes in the state, which is written as a whole.
MOST_REMOTE_SLOTS = 2_000


def host_name_of(executor: str) -> str:
    """The name that an executor has among hosts."""
    return f"{EXECUTOR}{executor}"


def is_executor(host: str) -> bool:
    """Whether it is the name of an executor among hosts: `executor:8080` is a host with a port."""
    return host.startswith(EXECUTOR) and NAME_PATTERN.fullmatch(host, len(EXECUTOR)) is not None


def check_limited_name(text: str) -> str:
    """The name of a host, or that of an executor among them. Raises `ValueError`."""
    named = text.removeprefix(EXECUTOR)
    if named == text or named.isdecimal():
        return check_host_name(text)
    if not is_executor(text):
        raise ValueError(f"must be {EXECUTOR} and the name of an executor, got {shown(text)}")
    return text


def limit_of(executor: Executor) -> HostLimit | None:
    """None for an executor without limits."""
    if executor.concurrency is None and executor.rate is None:
        return None
    return HostLimit(concurrency=executor.concurrency, rate=executor.rate, burst=executor.burst)


def executor_limits(executors: Iterable[Executor]) -> dict[str, HostLimit]:
    """By the names that they have among hosts."""
    found = ((host_name_of(each.name), limit_of(each)) for each in executors)
    return {name: limit for name, limit in found if limit is not None}
