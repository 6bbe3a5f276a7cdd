"""What every store checks of a settlement before it writes one."""

from taskrunner.domain.settlement import Settlement
from taskrunner.domain.status import FOLLOWERS, TERMINAL, Status


def check_settlement(item: Settlement) -> None:
    """Raises `ValueError` for a status that cannot follow `running`, or that does not fit `due`."""
    if item.status not in FOLLOWERS[Status.RUNNING]:
        raise ValueError(f"task {item.id}: {item.status} cannot follow running")
    if (item.due is None) is not (item.status in TERMINAL):
        raise ValueError(f"task {item.id}: due is set exactly for a status that is not terminal")


def body_bytes(item: Settlement) -> int:
    return len(item.result.body) if item.result is not None else 0
