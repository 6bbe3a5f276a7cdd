"""InFlight owns the attempts that this consumer has claimed and not yet settled."""

from collections.abc import Iterator

from taskrunner.consumer.claimed_attempt import ClaimedAttempt


class InFlight:
    """The claimer adds an attempt, the settler removes it, everybody else only asks."""

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, int], ClaimedAttempt] = {}

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[ClaimedAttempt]:
        return iter(self._attempts.values())

    def has(self, key: tuple[str, int]) -> bool:
        """Whether this attempt of this task is in flight here."""
        return key in self._attempts

    def add(self, attempt: ClaimedAttempt) -> None:
        self._attempts[attempt.key] = attempt

    def remove(self, attempt: ClaimedAttempt) -> bool:
        """Returns False for an attempt that was removed before."""
        return self._attempts.pop(attempt.key, None) is not None

    def leases_ending_before(self, moment: float) -> list[ClaimedAttempt]:
        """Attempts whose lease ends before a monotonic time, except those that are cancelled already."""
        return [attempt for attempt in self if attempt.lease_ends < moment and not attempt.cancelled]
