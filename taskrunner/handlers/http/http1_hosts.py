"""The hosts whose HTTP/2 has failed, which are asked by HTTP/1.1 for a while."""

import time

from taskrunner.domain.targets.url import Url

# Long enough for all attempts of a usual task, short enough to notice a repaired host on the same day.
_SECONDS = 600.0
_KEPT_HOSTS = 1024


class Http1Hosts:
    """Shared by all workers of a process; safe to use from any thread."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, int], float] = {}
        self._refused: dict[tuple[str, int], float] = {}

    def note_broken(self, url: Url) -> None:
        """The host of `url` agreed on HTTP/2 and does not speak it well."""
        self._note(self._until, url)

    def note_refused(self, url: Url) -> None:
        """The host refused a request without processing it. Once may be a restart; twice is a habit."""
        if self._refused.get((url.host, url.port), 0.0) > time.monotonic():
            self.note_broken(url)
        self._note(self._refused, url)

    def covers(self, url: Url) -> bool:
        """Whether the host of `url` is to be asked by HTTP/1.1 now."""
        return bool(self._until) and self._until.get((url.host, url.port), 0.0) > time.monotonic()

    def _note(self, noted: dict[tuple[str, int], float], url: Url) -> None:
        if len(noted) >= _KEPT_HOSTS:
            noted.clear()
        noted[url.host, url.port] = time.monotonic() + _SECONDS
