"""The engines of one worker: one per TLS profile.

A connection was made with a certificate and a trust, and is kept for those alone. libcurl compares both
before it uses one again; that it does so well need not be trusted, since each profile has its own handle.
"""

from collections.abc import Callable

from taskrunner.handlers.http.fetch_engine import FetchEngine

# Beside the one without a profile: each has a few connections of its own.
_KEPT = 4


class ProfileEngines:
    """Made when they are first asked for; of those with a profile only the last used are kept."""

    def __init__(self, make: Callable[[str | None], FetchEngine]) -> None:
        self._make = make
        self._plain = make(None)
        self._profiled: dict[str, FetchEngine] = {}

    def get(self, profile: str | None) -> FetchEngine:
        """That of a profile, or that without."""
        if profile is None:
            return self._plain
        engine = self._profiled.pop(profile, None) or self._make(profile)
        # At the end stands the one that was used last.
        self._profiled[profile] = engine
        if len(self._profiled) > _KEPT:
            self._profiled.pop(next(iter(self._profiled))).close()
        return engine

    def close(self) -> None:
        """Close all of them."""
        for engine in (self._plain, *self._profiled.values()):
            engine.close()
