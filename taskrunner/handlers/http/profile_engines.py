"""The engines of one worker: one per TLS profile.

A connection was made with one certificate and one trust store, and must serve no other profile. libcurl
compares both before it uses a connection again, but a handle per profile makes sure of it.
"""

from collections.abc import Callable

from taskrunner.handlers.http.fetch_engine import FetchEngine

# Engines with a profile. Each has a few connections of its own.
_MAX_PROFILED = 4


class ProfileEngines:
    """Makes engines on demand; of those with a profile, keeps only the last used."""

    def __init__(self, make: Callable[[str | None], FetchEngine]) -> None:
        self._make = make
        self._plain = make(None)
        self._profiled: dict[str, FetchEngine] = {}

    def get(self, profile: str | None) -> FetchEngine:
        """The engine of the profile, or the one without a profile."""
        if profile is None:
            return self._plain
        engine = self._profiled.pop(profile, None) or self._make(profile)
        # Insertion order is order of use: the first is closed below.
        self._profiled[profile] = engine
        if len(self._profiled) > _MAX_PROFILED:
            self._profiled.pop(next(iter(self._profiled))).close()
        return engine

    def close(self) -> None:
        for engine in (self._plain, *self._profiled.values()):
            engine.close()
