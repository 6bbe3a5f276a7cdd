"""The waits between attempts to reach a service that is away."""

import random


class Backoff:
    """Waits that double from `first` up to `cap` seconds, each shortened by up to half at random.

    The random part keeps a fleet of consumers from reconnecting in step. Call `reset` after a success.
    """

    def __init__(self, first: float = 0.1, cap: float = 5.0) -> None:
        self._first = first
        self._cap = cap
        self._attempts = 0

    def next(self) -> float:
        ceiling = min(self._cap, self._first * (1 << min(self._attempts, 16)))
        self._attempts += 1
        return ceiling * (0.5 + random.random() / 2)

    def reset(self) -> None:
        self._attempts = 0
