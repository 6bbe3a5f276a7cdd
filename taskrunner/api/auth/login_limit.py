"""The limit of logins: how many failed logins each process allows an address."""

import math
from collections import OrderedDict
from ipaddress import ip_network

from taskrunner.api.http.forwarded import plain
from taskrunner.api.http.problems import Problem, RequestRefused
from taskrunner.domain.clock import Clock
from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.targets.address import parse_address

# Ten at once, then ten a minute. Keys cannot be guessed, but each guess costs a read of the store.
_LIMITER = RateLimiter(interval=6.0, burst=10)
# Beyond this many addresses, the one whose last failure is oldest is forgotten.
_MAX_ADDRESSES = 10_000
# RFC 6177: a site with IPv6 has at least so many addresses for itself.
_IPV6_SITE = 64


class LoginLimit:
    """Counts failed logins. An address that has used up its failures must wait, even with a good key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def check(self, address: str | None) -> None:
        """Raises `RequestRefused` (429)."""
        now = self._clock.monotonic()
        arrival = self._arrivals.get(_site(address), now)
        if _LIMITER.available(arrival, now):
            return
        wait = max(1, math.ceil(_LIMITER.next_start(arrival) - now))
        detail = f"too many logins from this address have failed; try again after {wait} s"
        raise RequestRefused(
            Problem(status=429, code="rate_limited", detail=detail, headers={"Retry-After": str(wait)})
        )

    def note_failure(self, address: str | None) -> None:
        site, now = _site(address), self._clock.monotonic()
        self._arrivals[site] = _LIMITER.arrival_after(self._arrivals.pop(site, now), now, 1)
        if len(self._arrivals) > _MAX_ADDRESSES:
            self._arrivals.popitem(last=False)


def _site(address: str | None) -> str:
    parsed = parse_address(address or "")
    if parsed is None:
        return str(address)
    client = plain(parsed)
    return str(client if client.version == 4 else ip_network((client, _IPV6_SITE), strict=False))
