"""The engine: one request, one answer, over libcurl, with every bound of the policy on it.

Each call from libcurl into Python takes the interpreter lock, and at 50 threads each handover of it costs
some 20 µs, about half of what a bare exchange takes. So options are set once per handle and again only
when they change, what is done with a header line is little, and there is no progress callback (see `line`).
"""

import time

import pycurl

from taskrunner.domain.outcome import Timings
from taskrunner.domain.tls_profile import TlsProfile
from taskrunner.handlers.http.codings import decoder_for
from taskrunner.handlers.http.diagnosis import is_certificate_refused
from taskrunner.handlers.http.dialer import Dialer
from taskrunner.handlers.http.exchange import E_TOO_LARGE, MAX_LINE_BYTES, MAX_LINES, Exchange
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.proxy import Proxy
from taskrunner.handlers.http.request import Request
from taskrunner.handlers.http.response_body import BodyError, DiscardedBody, ResponseBody
from taskrunner.handlers.http.response_head import ResponseHead
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.ssrf_guard import DialPlan, SsrfGuard
from taskrunner.handlers.http.trust_store import TrustStore
from taskrunner.handlers.http.worker_sockets import WorkerSockets

# Idle connections: few per worker, and younger than the idle time after which most servers close.
_KEPT_CONNECTIONS = 4
_IDLE_SECONDS = 15
_LIFETIME_SECONDS = 300
# What may frame each chunk of a body, or each record of TLS; a line of its own may be longer.
_GRAIN_BYTES = 64
# CURLOPT_QUICK_EXIT, which pycurl does not name: closing a handle does not wait for a resolver that hangs.
_QUICK_EXIT = 322
# CURLOPT_CA_CACHE_TIMEOUT and CURLOPT_SUPPRESS_CONNECT_HEADERS, which it does not name either.
_CA_CACHE_TIMEOUT = 321
_SUPPRESS_CONNECT_HEADERS = 265
# The server chooses, by ALPN in the TLS handshake; without TLS it is HTTP/1.1.
_WITH_HTTP_2 = pycurl.CURL_HTTP_VERSION_2TLS
_HTTP_VERSIONS = {1: "1.0", 2: "1.1", 3: "2", 30: "3"}


class FetchEngine:
    """One libcurl handle with its connections, all of one TLS profile, or of none. For one thread only, but
    for `WorkerSockets`.
    """

    def __init__(
        self,
        policy: FetchSettings,
        guard: SsrfGuard,
        network: Network,
        line: WorkerSockets,
        profile: str | None = None,
    ) -> None:
        self._policy = policy
        self._line = line
        self._dialer = Dialer(guard, network, line)
        self._route: DialPlan | None = None
        self._received: list[bytes] = []
        # A exchange is not kept beyond its fetch: an idle worker would hold a body.
        self._idle = self._exchange = Exchange()
        self._fault: BaseException | None = None
        self._shape = ("GET", False)
        self._once = False
        self._timeout_ms = 0
        self._proxy_encrypts = policy.proxy is not None and policy.proxy.scheme == "https"
        self._curl = pycurl.Curl()
        self._set_constants()
        self._set_profile(
            policy.tls[profile] if profile else TlsProfile(), policy.key_passwords.get(profile or "")
        )

    def fetch(self, request: Request, route: DialPlan, timeout: float) -> Exchange:
        """Send `request` on `route` and read the answer, in at most `timeout` seconds."""
        curl = self._curl
        self._received.clear()
        self._exchange = exchange = Exchange(self._received, timeout=timeout, sent=not request.once)
        self._fault = None
        self._dialer.begin(route)
        if route is not self._route:
            self._set_route(route)
        self._set_request(request, timeout)
        self._line.begin_exchange(exchange)
        try:
            curl.perform()
        except pycurl.error as exc:
            exchange.code, exchange.text = exc.args[0], str(exc.args[-1])
        finally:
            self._line.end_exchange()
            self._exchange = self._idle
        if self._fault is not None:
            raise self._fault
        self._finish(exchange, encrypted=self._proxy_encrypts or request.url.scheme == "https")
        return exchange

    def timings(self, dns: float, total: float) -> Timings:
        """Of the last exchange, as moments since its start; `dns`, the time that its look-up took, and
        `total`, over all hops, are the caller's.
        """
        ask = self._curl.getinfo
        connect, tls = ask(pycurl.CONNECT_TIME), ask(pycurl.APPCONNECT_TIME)
        return Timings(
            dns=dns,
            connect=connect and dns + connect,
            tls=tls and dns + tls,
            first_byte=dns + ask(pycurl.STARTTRANSFER_TIME),
            total=total,
        )

    def address(self) -> str | None:
        """Where the last exchange was dialled, or would have been; None if it never came to that.

        Behind a proxy it is what that was asked for, None for a name: the proxy's own is nobody's business.
        """
        if self._policy.proxy is not None:
            return self._route.place if self._route is not None else None
        ask = self._curl.getinfo
        ip, port = ask(pycurl.PRIMARY_IP), ask(pycurl.PRIMARY_PORT)
        if not ip:
            return self._dialer.dialled
        return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def http_version(self) -> str:
        """Of the last answer."""
        return _HTTP_VERSIONS.get(self._curl.getinfo(pycurl.INFO_HTTP_VERSION), "")

    def phase(self) -> str:
        """What the last exchange was doing when it ended, in words that follow "while"."""
        ask = self._curl.getinfo
        if self._received:
            return "reading the answer"
        if ask(pycurl.REQUEST_SIZE) > 0:
            return "waiting for the answer"
        if ask(pycurl.CONNECT_TIME) > 0:
            return "in the TLS handshake"
        return "connecting"

    def close(self) -> None:
        """Close the handle and its connections."""
        self._curl.close()
        self._dialer.close()

    def _set_constants(self) -> None:
        curl, policy = self._curl, self._policy
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(_QUICK_EXIT, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.HTTP09_ALLOWED, 0)
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        self._set_proxy(policy.proxy)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.HTTP_VERSION, _WITH_HTTP_2 if policy.http2 else pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(policy.connect_timeout))
        curl.setopt(pycurl.MAXCONNECTS, _KEPT_CONNECTIONS)
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
        curl.setopt(pycurl.MAXLIFETIME_CONN, _LIFETIME_SECONDS)
        curl.setopt(pycurl.HEADERFUNCTION, self._on_line)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        self._dialer.install(curl)

    def _set_proxy(self, proxy: Proxy | None) -> None:
        """Set to nothing, these keep libcurl from reading `http_proxy`, `no_proxy` and their kin."""
        curl = self._curl
        curl.setopt(pycurl.NOPROXY, "*" if proxy is None else "")
        if proxy is None:
            curl.setopt(pycurl.PROXY, "")
            return
        host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
        curl.setopt(pycurl.PROXY, f"{proxy.scheme}://{host}:{proxy.port}")
        self._set_trust(self._policy.trust, folder=pycurl.PROXY_CAPATH, file=pycurl.PROXY_CAINFO)
        curl.setopt(pycurl.HTTPPROXYTUNNEL, 1)
        # To the proxy alone: a request has its own, and a task's is not for the proxy.
        curl.setopt(pycurl.USERAGENT, self._policy.user_agent)
        # What the proxy says is no part of the answer.
        curl.setopt(_SUPPRESS_CONNECT_HEADERS, 1)
        if proxy.user is not None:
            curl.setopt(pycurl.PROXYUSERNAME, proxy.user)
            curl.setopt(pycurl.PROXYPASSWORD, proxy.password or "")

    def _set_profile(self, profile: TlsProfile, key_password: str | None) -> None:
        trust = TrustStore(file=profile.ca_file) if profile.ca_file else self._policy.trust
        self._set_trust(trust, folder=pycurl.CAPATH, file=pycurl.CAINFO)
        # A renewed file is to be seen; libcurl keeps what it has read of authorities for a day.
        self._curl.setopt(_CA_CACHE_TIMEOUT, _LIFETIME_SECONDS)
        if profile.cert_file is not None:
            self._curl.setopt(pycurl.SSLCERT, profile.cert_file)
            self._curl.setopt(pycurl.SSLKEY, profile.key_file or profile.cert_file)
        if key_password is not None:
            self._curl.setopt(pycurl.KEYPASSWD, key_password)

    def _set_trust(self, trust: TrustStore, *, folder: int, file: int) -> None:
        """By libcurl's two options for it, of the target or of the proxy."""
        if trust.folder is not None:
            self._curl.unsetopt(file)
            self._curl.setopt(folder, trust.folder)
        elif trust.file is not None:
            self._curl.unsetopt(folder)
            self._curl.setopt(file, trust.file)

    def _set_route(self, route: DialPlan) -> None:
        """libcurl's cache of names holds what the guard let through for this request, and nothing else."""
        before = self._route
        entries = [before.end] if before is not None and before.entry else []
        if route.entry:
            entries.append(route.entry)
        self._curl.setopt(pycurl.RESOLVE, entries)
        if self._policy.proxy is not None:
            self._curl.setopt(pycurl.CONNECT_TO, [route.tunnel] if route.tunnel else [])
        self._route = route

    def _set_request(self, request: Request, timeout: float) -> None:
        curl = self._curl
        curl.setopt(pycurl.URL, request.url.text)
        curl.setopt(pycurl.HTTPHEADER, request.sent_lines)
        shape = (request.method, request.content is not None)
        if shape != self._shape:
            self._set_shape(*shape)
            self._shape = shape
        if request.content is not None:
            curl.setopt(pycurl.POSTFIELDS, request.content)
        if request.once is not self._once:
            self._set_once(request.once)
            self._once = request.once
        timeout_ms = _milliseconds(timeout)
        if timeout_ms != self._timeout_ms:
            curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
            self._timeout_ms = timeout_ms

    def _set_shape(self, method: str, has_content: bool) -> None:
        """Each of libcurl's three switches undoes the other two."""
        curl = self._curl
        curl.unsetopt(pycurl.CUSTOMREQUEST)
        if method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
            return
        curl.setopt(pycurl.POST if has_content else pycurl.HTTPGET, 1)
        if method != ("POST" if has_content else "GET"):
            curl.setopt(pycurl.CUSTOMREQUEST, method)

    def _set_once(self, once: bool) -> None:
        """A kept connection may close just as we use it, and nobody knows then whether the target got the
        request; libcurl would send it again. So it gets a new one, and libcurl asks us before it sends.
        """
        curl = self._curl
        curl.setopt(pycurl.FRESH_CONNECT, once)
        if once:
            curl.setopt(pycurl.PREREQFUNCTION, self._on_sending)
        else:
            curl.unsetopt(pycurl.PREREQFUNCTION)

    def _on_sending(self, *_: object) -> int:
        if self._exchange.sent:
            return pycurl.PREREQFUNC_ABORT  # type: ignore[no-any-return]  # pycurl has no types
        self._exchange.sent = True
        return pycurl.PREREQFUNC_OK  # type: ignore[no-any-return]  # pycurl has no types

    def _on_line(self, line: bytes) -> int | None:
        """A head that is far too long needs no more of it to be told."""
        received = self._received
        received.append(line)
        return 0 if len(received) == MAX_LINES else None

    def _on_body(self, chunk: bytes) -> int | None:
        """libcurl reads the clock between two reads only, and one read can hold thousands of tiny chunks."""
        exchange = self._exchange
        if time.monotonic() > exchange.ends_by:
            exchange.late = True
            return 0
        try:
            body = exchange.body or self._begin_body()
            return None if body.feed(chunk) else 0
        except BaseException as exc:  # noqa: BLE001 - libcurl cannot carry it; fetch raises it
            self._fault = exc
            return 0

    def _begin_body(self) -> ResponseBody:
        exchange, policy = self._exchange, self._policy
        exchange.head = head = ResponseHead(self._received)
        if head.redirects:
            exchange.body = DiscardedBody(head.value("content-length"))
        else:
            exchange.body = ResponseBody(
                max_bytes=policy.max_body_bytes,
                store_bytes=policy.store_body_bytes,
                decoder=decoder_for(head.value("content-encoding") or ""),
            )
        return exchange.body

    def _finish(self, exchange: Exchange, *, encrypted: bool) -> None:
        exchange.refused = self._dialer.refused
        if exchange.code and is_certificate_refused(exchange):
            exchange.sent = False
        if exchange.late and exchange.code == pycurl.E_WRITE_ERROR:
            exchange.code = pycurl.E_OPERATION_TIMEDOUT
        if exchange.code and self._policy.proxy is not None:
            self._look_at_tunnel(exchange)
        if exchange.body is None:
            exchange.head = ResponseHead(self._received)
        if exchange.code == pycurl.E_RECV_ERROR and _is_closed_without_notice(exchange):
            exchange.code = 0
        if exchange.code == 0:
            self._count(exchange, encrypted=encrypted)
        else:
            # libcurl keeps an HTTP/2 connection of which one stream failed, also one that is dead.
            self._line.cut_socket(self._curl.getinfo(pycurl.ACTIVESOCKET))
        if exchange.body is None:
            return
        if exchange.code == 0:
            exchange.body.finish()
        elif exchange.code == pycurl.E_WRITE_ERROR and exchange.body.trouble is BodyError.UNWANTED:
            exchange.code = 0

    def _look_at_tunnel(self, exchange: Exchange) -> None:
        """Whether the proxy is to blame: a new connection, or none at all, and no yes of the proxy to it."""
        ask = self._curl.getinfo
        status = ask(pycurl.HTTP_CONNECTCODE)
        is_new = exchange.code == pycurl.E_COULDNT_CONNECT or self._dialer.dialled is not None
        if is_new and not 200 <= status < 300:
            exchange.untunnelled = True
            exchange.proxy_status = status
        elif exchange.code == E_TOO_LARGE and not ask(pycurl.REQUEST_SIZE):
            # A yes without an end.
            exchange.untunnelled = True

    def _count(self, exchange: Exchange, *, encrypted: bool) -> None:
        """Find out how much came beside head and body; only what has chunks can hide anything there."""
        number: int = self._curl.getinfo(pycurl.ACTIVESOCKET)
        body, byte_counts = exchange.body, self._dialer.byte_counts
        told_bytes = sum(map(len, exchange.lines)) + (body.wire_bytes if body is not None else 0)
        if body is not None and exchange.head.value("transfer-encoding"):
            # Records of TLS may be as small as a byte.
            grains = body.wire_bytes if encrypted else body.chunks
            framing_bytes = byte_counts.untold_bytes(number) - told_bytes
            exchange.bloated = framing_bytes > MAX_LINE_BYTES + _GRAIN_BYTES * grains
            if exchange.bloated:
                self._line.cut_socket(number)
        elif not encrypted:
            byte_counts.tell(number, told_bytes)
            return
        byte_counts.tell_all(number)


def _is_closed_without_notice(exchange: Exchange) -> bool:
    """Whether a TLS peer ended a body by closing, without the close_notify that should come first.

    Too many servers do so to call it an error. A body whose length is known is checked by that.
    """
    return (
        "unexpected eof" in exchange.text
        and exchange.head.status >= 200
        and exchange.head.ends_with_connection
    )


def _milliseconds(seconds: float) -> int:
    """At least 1, since 0 means no limit at all to libcurl."""
    return max(1, int(seconds * 1000))
