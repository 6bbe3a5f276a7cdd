"""The key limiter takes requests from the limits of API keys, which all processes share."""

from collections import Counter
from collections.abc import Sequence

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.value import Value
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import RateAsk, RateStore

# The most requests of one call.
_BATCH = 1000


class Allowance(Value):
    """Whether a request may be made, how many more may follow at once, and when, in seconds from now.

    `whole_in`: until a full burst may follow. `next_in`: until one more may.
    """

    limiter: RateLimiter
    granted: bool
    available: int
    whole_in: float
    next_in: float


class KeyLimiter:
    """The requests that arrive during a call of the store are taken by the next one."""

    def __init__(self, store: RateStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._batcher = Batcher(self._take, limit=_BATCH)

    async def take(self, key: ApiKey) -> Allowance | None:
        """Take one request; None for a key without a limit.

        None also while the store is away: what needs the store says so itself, and the rest stays usable.
        """
        if key.rate is None:
            return None
        try:
            return await self._batcher.submit(key)
        except OutsideError:
            return None

    async def _take(self, keys: Sequence[ApiKey]) -> Sequence[Allowance]:
        wanted = Counter(key.name for key in keys)
        limiters = {name: key.limiter for name, key in {key.name: key for key in keys}.items()}
        asks = [
            RateAsk(name=name, limiter=limiter, wanted=wanted[name])
            for name, limiter in limiters.items()
            if limiter is not None
        ]
        answers = await self._store.take_requests(asks, now=self._clock.now())
        left = {ask.name: answer.granted for ask, answer in zip(asks, answers, strict=True)}
        refused, granted = dict[str, Allowance](), dict[str, Allowance]()
        for ask, answer in zip(asks, answers, strict=True):
            granted[ask.name] = _allowance(ask.limiter, answer.ahead, granted=True)
            refused[ask.name] = _allowance(ask.limiter, answer.ahead, granted=False)
        allowances: list[Allowance] = []
        for key in keys:
            left[key.name] -= 1
            allowances.append((granted if left[key.name] >= 0 else refused)[key.name])
        return allowances


def _allowance(limiter: RateLimiter, ahead: float, *, granted: bool) -> Allowance:
    return Allowance(
        limiter=limiter,
        granted=granted,
        available=limiter.available(ahead, 0.0) if granted else 0,
        whole_in=max(0.0, ahead),
        next_in=max(0.0, limiter.next_start(ahead)),
    )
