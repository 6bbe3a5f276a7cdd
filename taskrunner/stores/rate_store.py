"""The part of a store that limits the requests and tasks of API keys, for all processes together."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.value import Value


class RateAsk(Value):
    """So many requests of a key, within its limit."""

    name: str
    limiter: RateLimiter
    wanted: int


class RateAnswer(Value):
    """How many may be made, and how far the theoretical arrival time is `ahead` of now, in seconds."""

    granted: int
    ahead: float


class Measured(Value):
    """A part of a walk through the tasks of a namespace; `cursor` asks for the next, None at the end."""

    size_bytes: int
    cursor: str | None


class RateStore(ABC):
    """Keeps a number per key, as `RateLimiter` has it, to the microsecond."""

    @abstractmethod
    async def count_live(self, most: Mapping[str, int]) -> Mapping[str, int]:
        """How many tasks of each namespace have not ended; of more than so many, so many."""

    @abstractmethod
    async def measure(self, namespace: str, *, cursor: str | None, limit: int) -> Measured:
        """The bytes of about `limit` tasks as they are stored, with their results and bodies. Reads only.

        What is there during the whole walk is measured; a task whose status changes meanwhile, perhaps twice.
        """

    @abstractmethod
    async def take_requests(self, asks: Sequence[RateAsk], *, now: datetime) -> Sequence[RateAnswer]:
        """Take as many of the wanted requests as the limits allow; each name occurs once.

        A call that is repeated, its answer lost, takes them twice.
        """
