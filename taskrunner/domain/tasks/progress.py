"""Progress: how far a running attempt says it is."""

from typing import Self

from taskrunner.domain.value import Value

# It is written with the record each second.
MAX_MESSAGE_CHARS = 200


class Progress(Value):
    """`fraction` is from 0 to 1. `attempt` is the number of the attempt that said so."""

    fraction: float
    message: str = ""
    attempt: int

    @classmethod
    def of(cls, fraction: float, message: str = "", *, attempt: int) -> Self:
        """A longer message is cut. Raises `ValueError` for a fraction that is none."""
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"progress: the fraction must be from 0 to 1, got {fraction!r}")
        return cls(fraction=float(fraction), message=str(message)[:MAX_MESSAGE_CHARS], attempt=attempt)
