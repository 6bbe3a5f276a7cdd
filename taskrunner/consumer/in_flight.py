"""InFlight owns the attempts that this consumer has claimed and not yet settled, and counts them per host."""

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
        if (stats := attempt.host_stats) is not None:
            stats.in_flight += 1
            if stats.reserved:
                stats.reserved -= 1

    def remove(self, attempt: ClaimedAttempt) -> bool:
        """Returns False for an attempt that was removed before."""
        if self._attempts.pop(attempt.key, None) is None:
            return False
        if attempt.host_stats is not None:
            attempt.host_stats.in_flight -= 1
        return True

    def leases_ending_before(self, moment: float) -> list[ClaimedAttempt]:
        """Attempts whose lease ends before a monotonic time, except those that are cancelled already."""
        return [attempt for attempt in self if attempt.lease_ends < moment and not attempt.cancelled]
