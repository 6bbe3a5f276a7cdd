"""The SSRF guard: checks every address, once when a name is looked up and again at each dial.

Two parsers may read different hosts from one URL, and a name may lead to another address a moment later. So
the address that is dialled is what counts. If any address of a name is refused, the whole name is: whoever
mixes a private address into an answer means it to be used. `domain.ssrf_policy` says which addresses are
refused.

With an egress proxy, nothing but the proxy is dialled. Names are checked as usual, and the proxy is asked for
one of the checked addresses. If the proxy is to look up names itself, only what the URL shows is checked
here: literal addresses, names such as localhost and those of metadata services, ports.
"""

from collections.abc import Callable

from taskrunner.domain.targets.address import Address, embedded, is_loopback, parse_address
from taskrunner.domain.targets.ssrf_policy import DialRefusal, SsrfPolicy
from taskrunner.domain.targets.url import Url
from taskrunner.handlers.http.network import LookupAnswer, LookupFailed, LookupTimedOut, Network
from taskrunner.handlers.http.settings import EgressProxy

# All addresses of a name are checked, and at most this many are dialled.
_DIALLED_ADDRESSES = 16
_CACHED_PLANS = 1024


class TargetRefused(Exception):
    """The target is not allowed. The reason is for metrics: none may reach whoever submitted the URL."""

    def __init__(self, refusal: DialRefusal) -> None:
        super().__init__()
        self.refusal = refusal


class ProxyUnresolved(Exception):
    """The name of the egress proxy could not be resolved."""


class DialPlan:
    """A host and port, and the addresses of the host that passed the checks.

    libcurl resolves no name itself. `resolve_entry` (CURLOPT_RESOLVE) tells it what to dial, and
    `resolve_removal` withdraws that. `answer` and `proxy_answer` are the look-ups that the plan is based on.
    With a proxy, the proxy's addresses are dialled, and `connect_to` (CURLOPT_CONNECT_TO) says which address
    of the host the proxy is asked for.
    """

    __slots__ = (
        "addresses",
        "answer",
        "connect_to",
        "host",
        "port",
        "proxy_answer",
        "resolve_entry",
        "resolve_removal",
    )

    def __init__(
        self,
        url: Url,
        answer: LookupAnswer | None,
        addresses: tuple[Address, ...],
        proxy: EgressProxy | None = None,
        proxy_answer: LookupAnswer | None = None,
    ) -> None:
        self.host, self.port = url.host, url.port
        self.answer = answer
        self.proxy_answer = proxy_answer
        self.addresses = addresses[:_DIALLED_ADDRESSES]
        self.connect_to = None
        host, port, dialled = url.host, url.port, self.addresses
        if proxy is not None and proxy_answer is not None:
            host, port = proxy.host, proxy.port
            dialled = tuple(each for each in proxy_answer if each is not None)
            if url.address is None and addresses:
                # Only one can be asked for. Not every proxy has IPv6.
                self.addresses = (next((each for each in addresses if each.version == 4), addresses[0]),)
                self.connect_to = f"{url.host}:{url.port}:{_in_url(self.addresses[0])}:{url.port}"
        is_name = parse_address(host) is None
        # An entry that begins with a hyphen would be a removal; a plus says that it is none.
        plus = "+" if host.startswith("-") else ""
        self.resolve_entry = f"{plus}{host}:{port}:{','.join(map(_in_url, dialled))}" if is_name else None
        self.resolve_removal = f"-{host}:{port}"

    @property
    def first_address(self) -> str | None:
        """The first address of the host, with the port; None if the host was not looked up."""
        return f"{_in_url(self.addresses[0])}:{self.port}" if self.addresses else None


class SsrfGuard:
    """The guard of one worker. `is_cancelled` says whether the current attempt is cancelled."""

    def __init__(
        self,
        ssrf_policy: SsrfPolicy,
        network: Network,
        is_cancelled: Callable[[], bool],
        proxy: EgressProxy | None = None,
    ) -> None:
        self._ssrf_policy = ssrf_policy
        self._network = network
        self._is_cancelled = is_cancelled
        self._proxy = proxy
        literal = None if proxy is None else parse_address(proxy.host)
        self._proxy_literal = None if literal is None else (literal,)
        self._plans: dict[tuple[str, int], DialPlan] = {}

    def plan_dial(self, url: Url, timeout: float) -> DialPlan:
        """Look up the host of `url` and check its addresses, in at most `timeout` seconds.

        Raises `TargetRefused`, `LookupFailed`, `LookupTimedOut`, `ProxyUnresolved`.
        """
        plan = self._plans.get((url.host, url.port))
        proxy_answer = None if self._proxy is None else self._look_up_proxy(self._proxy, timeout)
        answer = self._look_up(url, timeout)
        if plan is not None and plan.answer is answer and plan.proxy_answer is proxy_answer:
            return plan
        return self._make_plan(url, answer, proxy_answer, timeout)

    def examine(self, url: Url, timeout: float) -> list[tuple[Address | None, DialRefusal | None]]:
        """Every address of the host, with the reason if it is refused, as `plan_dial` would find them.

        An address of None has no plain form, or is for the proxy to find. Raises as `plan_dial` does, but no
        `TargetRefused`.
        """
        found = self._found(url, self._look_up(url, timeout))
        refusals = self._refusals(url, found, timeout)
        return list(zip(found or (None,), refusals, strict=True))

    def allows_dial(
        self, plan: DialPlan, socket_address: tuple[str, int, *tuple[int, ...]], timeout: float
    ) -> bool:
        """Whether libcurl may connect to `socket_address` (as `socket` has it) for a request on `plan`."""
        scope = socket_address[3] if len(socket_address) > 3 else 0
        address = parse_address(socket_address[0])
        if address is None or scope:
            return False
        if self._proxy is not None:
            # The operator vouches for the proxy's address; nothing else is ever dialled.
            is_proxy_port = socket_address[1] == self._proxy.port
            return is_proxy_port and plan.proxy_answer is not None and address in plan.proxy_answer
        if socket_address[1] != plan.port or address not in plan.addresses:
            return False
        return self._refusal(plan.host, address, plan.port, timeout) is None

    def _look_up(self, url: Url, timeout: float) -> LookupAnswer | None:
        """None for a URL with an address, and where the proxy resolves names."""
        if url.address is not None or (self._proxy is not None and self._proxy.resolves):
            return None
        return self._network.look_up(url.host, timeout, self._is_cancelled)

    def _look_up_proxy(self, proxy: EgressProxy, timeout: float) -> LookupAnswer:
        if self._proxy_literal is not None:
            return self._proxy_literal
        try:
            return self._network.look_up(proxy.host, timeout, self._is_cancelled)
        except LookupFailed as exc:
            raise ProxyUnresolved from exc
        except LookupTimedOut as exc:
            if self._is_cancelled():
                raise
            raise ProxyUnresolved from exc

    def _make_plan(
        self, url: Url, answer: LookupAnswer | None, proxy_answer: LookupAnswer | None, timeout: float
    ) -> DialPlan:
        found = self._found(url, answer)
        for refusal in self._refusals(url, found, timeout):
            if refusal is not None:
                raise TargetRefused(refusal)
        addresses = tuple(each for each in found or () if each is not None)
        if len(self._plans) >= _CACHED_PLANS:
            self._plans.clear()
        plan = self._plans[url.host, url.port] = DialPlan(url, answer, addresses, self._proxy, proxy_answer)
        return plan

    @staticmethod
    def _found(url: Url, answer: LookupAnswer | None) -> LookupAnswer | None:
        return answer if url.address is None else (url.address,)

    def _refusals(self, url: Url, found: LookupAnswer | None, timeout: float) -> list[DialRefusal | None]:
        """Why each address is refused, and a single entry if the proxy resolves the name."""
        if found is None:
            # Beside the name itself only the port can be checked here.
            return [None if url.port in self._ssrf_policy.ports else DialRefusal.PORT]
        return [self._refusal(url.host, each, url.port, timeout) for each in found]

    def _refusal(self, host: str, address: Address | None, port: int, timeout: float) -> DialRefusal | None:
        if address is None:
            return DialRefusal.ZONE
        if refusal := self._ssrf_policy.dial_refusal(host, address, port, self._is_own):
            return refusal
        is_own_service = any(
            self._is_endpoint(address, endpoint, timeout)
            for endpoint, its_port in self._ssrf_policy.endpoints
            if its_port == port
        )
        return DialRefusal.OWN_SERVICE if is_own_service else None

    def _is_endpoint(self, address: Address, endpoint: str, timeout: float) -> bool:
        """Whether `address` reaches the host `endpoint`, where one of our own services listens.

        A service on this machine may listen on all of the machine's addresses.
        """
        literal = parse_address(endpoint)
        try:
            known = (literal,) if literal else self._network.look_up(endpoint, timeout, self._is_cancelled)
        except LookupFailed:
            return False
        meant = {address, *embedded(address)}
        if not meant.isdisjoint(known):
            return True
        return any(map(self._is_own, meant)) and any(
            each is not None and self._is_own(each) for each in known
        )

    def _is_own(self, address: Address) -> bool:
        return is_loopback(address) or self._network.is_own(address)


def _in_url(address: Address) -> str:
    """The address as it stands in a URL."""
    return f"[{address}]" if address.version == 6 else str(address)
