"""A failure: how an attempt ended without a usable answer."""

from dataclasses import dataclass

from taskrunner.domain.outcome import OutcomeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """`error` is our own sentence: it never holds a byte of the peer, which may be no HTTP server at all
    and none of the task owner's business. `retryable` as in `Outcome`.
    """

    kind: OutcomeKind
    error: str
    retryable: bool | None = None


# One sentence for every reason: who hands in a URL learns nothing of what is, or is not, behind it.
BLOCKED = FetchFailure(kind=OutcomeKind.BLOCKED, error="taskrunner does not fetch from this target.")
UNRESOLVED = FetchFailure(kind=OutcomeKind.DNS_ERROR, error="The host name could not be resolved.")
