"""The target check asks the SSRF guard about a URL without sending anything."""

from typing import TYPE_CHECKING

from taskrunner.domain.targets.address import Address, class_of
from taskrunner.domain.targets.ssrf_policy import DialRefusal, SsrfPolicy
from taskrunner.domain.targets.url import Url
from taskrunner.domain.tasks.dry_run import CheckedAddress, TargetState, TargetVerdict
from taskrunner.handlers.http.settings import EgressProxy

if TYPE_CHECKING:
    from taskrunner.handlers.http.network import Network


class TargetCheck:
    """Safe to use from any thread. libcurl is loaded by the first check, as in `HttpHandlerFactory`."""

    def __init__(self, proxy: EgressProxy | None, network: "Network | None" = None) -> None:
        self._proxy = proxy
        self._network = network

    def check(self, url: Url, ssrf_policy: SsrfPolicy, timeout: float) -> TargetVerdict:
        """Look up the host of `url` and check its addresses; blocks for `timeout` seconds at most."""
        from taskrunner.handlers.http.network import LookupFailed, LookupTimedOut, Network
        from taskrunner.handlers.http.shortage import Shortage
        from taskrunner.handlers.http.ssrf_guard import SsrfGuard

        network = self._network = self._network or Network()
        guard = SsrfGuard(ssrf_policy, network, lambda: False, self._proxy)
        found: list[tuple[Address | None, DialRefusal | None]] = []
        try:
            found = guard.examine(url, timeout)
            state = TargetState.REFUSED if any(refusal for _, refusal in found) else TargetState.ALLOWED
            if state is TargetState.ALLOWED and found == [(None, None)]:
                state = TargetState.BY_PROXY
        except LookupFailed:
            state = TargetState.UNRESOLVED
        except (LookupTimedOut, Shortage):
            state = TargetState.UNKNOWN
        addresses = [
            CheckedAddress(
                address=None if refusal or address is None else str(address),
                address_class=None if address is None else class_of(address),
                refusal=refusal,
            )
            for address, refusal in found
            if address is not None or refusal is not None
        ]
        return TargetVerdict(state=state, host=url.host, port=url.port, addresses=addresses)
