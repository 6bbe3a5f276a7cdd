"""The part of a store that the application asks: start, stop and health."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from taskrunner.domain.value import Value, field


class StoreStatus(Value):
    """The state of the connection to the store. `warnings` are server settings that weaken our promises."""

    connected: bool
    reconnects: int
    error: str | None = None
    warnings: Sequence[str] = ()
    details: Mapping[str, str] = field(default_factory=dict)


class StoreLifecycle(ABC):
    """Starts and stops the store. `name` is how events and health reports call it."""

    name: str

    @abstractmethod
    async def start(self) -> None:
        """Start to connect and return at once; see `wait_ready`. An unreachable store is no error here."""

    @abstractmethod
    async def wait_ready(self, timeout: float) -> None:
        """Return once the store answers and can be used.

        Raises `StoreUnavailable` after `timeout` seconds, `StoreUnfit` as soon as that is known.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Close the connections."""

    @abstractmethod
    def status(self) -> StoreStatus:
        """The state at the last call or ping."""

    @abstractmethod
    async def ping(self) -> None:
        """Make one round trip. Raises `StoreUnavailable`."""
