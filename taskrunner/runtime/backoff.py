"""The waits between tries to reach a service that is away."""

import random


class Backoff:
    """Doubling waits with full jitter, from `first` up to `cap` seconds; `reset` when a try succeeds.

    Full jitter keeps a fleet of consumers from coming back in step.
    """

    def __init__(self, first: float = 0.1, cap: float = 5.0) -> None:
        self._first = first
        self._cap = cap
        self._tries = 0

    def next(self) -> float:
        ceiling = min(self._cap, self._first * (1 << min(self._tries, 16)))
        self._tries += 1
        return ceiling * (0.5 + random.random() / 2)

    def reset(self) -> None:
        self._tries = 0
