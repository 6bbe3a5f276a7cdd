"""The fetch engine: makes one exchange with libcurl, within every limit of the settings.

Each call from libcurl into Python takes the interpreter lock. At 50 threads each handover of the lock costs
some 20 µs, about half of what a bare exchange takes. So options are set only when they change, the callback
for a header line does little, and there is no progress callback (see `worker_sockets`).
"""

import time

import pycurl

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.hosts.host_name import host_of, patterns_for
from taskrunner.domain.targets.url import Url
from taskrunner.domain.tasks.outcome import Timings
from taskrunner.handlers.http import http2_faults, shortage
from taskrunner.handlers.http.codings import CodingUnknown, ContentDecoder, decoder_for
from taskrunner.handlers.http.curl_handle import CurlHandle
from taskrunner.handlers.http.diagnosis import is_certificate_refused
from taskrunner.handlers.http.dialer import Dialer
from taskrunner.handlers.http.exchange import E_TOO_LARGE, Exchange
from taskrunner.handlers.http.http_request import HttpRequest
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.redirects import is_followed
from taskrunner.handlers.http.response_body import BodyError, DiscardedBody, ResponseBody
from taskrunner.handlers.http.response_head import ResponseHead
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.ssrf_guard import DialPlan, SsrfGuard
from taskrunner.handlers.http.worker_sockets import WorkerSockets

# Allowed framing for each chunk of a body, or each record of TLS, beside one long line.
_FRAMING_BYTES = 64
_LONG_LINE_BYTES = 64 * 1024
# A TLS record holds 16,384 bytes. libcurl writes a smaller request as one, the preface of HTTP/2 included.
_ONE_RECORD_BYTES = 15_000
# libcurl's messages for a failed write.
_WRITE_FAILED = ("Send failure", "OpenSSL SSL_write")
_HTTP_VERSIONS = {1: "1.0", 2: "1.1", 3: "2", 30: "3"}


class FetchEngine:
    """Exchanges for one TLS profile, or for none. For one thread only; `WorkerSockets` alone is shared."""

    def __init__(
        self,
        settings: FetchSettings,
        guard: SsrfGuard,
        network: Network,
        sockets: WorkerSockets,
        profile: str | None = None,
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._http1_hosts = network.http1_hosts
        self._http1_patterns = frozenset(settings.http1_hosts)
        self._dialer = Dialer(guard, network, sockets)
        # Between fetches an empty exchange stands here, so that an idle worker holds no body.
        self._no_exchange = self._exchange = Exchange()
        self._request: HttpRequest | None = None
        self._error: BaseException | None = None
        self._proxy_encrypts = settings.proxy is not None and settings.proxy.scheme == "https"
        self._handle = CurlHandle(settings, profile, self._on_sending)
        self._curl = self._handle.curl
        self._curl.setopt(pycurl.HEADERFUNCTION, self._on_line)
        self._curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        self._dialer.install(self._curl)

    def fetch(self, request: HttpRequest, plan: DialPlan, timeout: float) -> Exchange:
        """Send `request` to an address of `plan` and read the answer, in at most `timeout` seconds."""
        self._exchange = exchange = Exchange(
            max_header_bytes=self._settings.max_header_bytes, timeout=timeout, sent=not request.send_once
        )
        self._request = request
        self._error = None
        self._dialer.begin_request(plan)
        self._handle.prepare(request, plan, timeout, http2=self._offers_http2(request.url))
        self._sockets.begin_exchange(exchange)
        try:
            self._curl.perform()
        except pycurl.error as exc:
            exchange.curl_code, exchange.curl_text = exc.args[0], str(exc.args[-1])
            exchange.shortage = self._shortage(exchange)
        finally:
            self._sockets.end_exchange()
            self._exchange, self._request = self._no_exchange, None
        if self._error is not None:
            raise self._error
        exchange.unwritten = exchange.curl_code == pycurl.E_SEND_ERROR and self._wrote_nothing(
            exchange, request
        )
        if exchange.curl_code and request.url.scheme == "https":
            self._note_http2_faults(exchange, request.url)
        self._finish(exchange, encrypted=self._proxy_encrypts or request.url.scheme == "https")
        return exchange

    def timings(self, dns: float, total: float) -> Timings:
        """Of the last exchange, in seconds since its start.

        The caller measures `dns`, the time of its look-up, and `total`, the time over all redirects.
        """
        info = self._curl.getinfo
        connect, tls = info(pycurl.CONNECT_TIME), info(pycurl.APPCONNECT_TIME)
        return Timings(
            dns=dns,
            connect=connect and dns + connect,
            tls=tls and dns + tls,
            first_byte=dns + info(pycurl.STARTTRANSFER_TIME),
            total=total,
        )

    def address(self) -> str | None:
        """The address that the last exchange dialled, or was about to; None if it did not get that far.

        With a proxy, the address that the proxy was asked for, None for a name: the proxy's own is not shown.
        """
        if self._settings.proxy is not None:
            plan = self._handle.plan
            return plan.first_address if plan is not None else None
        info = self._curl.getinfo
        ip, port = info(pycurl.PRIMARY_IP), info(pycurl.PRIMARY_PORT)
        if not ip:
            return self._dialer.dialled
        return shown_place((ip, port))

    def http_version(self) -> str:
        """Of the last answer."""
        return _HTTP_VERSIONS.get(self._curl.getinfo(pycurl.INFO_HTTP_VERSION), "")

    def phase(self) -> str:
        """What the last exchange was doing before any answer, in words that follow "while"."""
        info = self._curl.getinfo
        if info(pycurl.REQUEST_SIZE) > 0:
            return "waiting for the answer"
        if info(pycurl.CONNECT_TIME) > 0:
            return "in the TLS handshake"
        return "connecting"

    def close(self) -> None:
        """Close the handle and its connections."""
        self._curl.close()
        self._dialer.close()

    def _offers_http2(self, url: Url) -> bool:
        if url.scheme != "https" or not self._settings.http2 or self._http1_hosts.covers(url):
            return False
        return not self._http1_patterns or self._http1_patterns.isdisjoint(patterns_for(host_of(url.text)))

    def _note_http2_faults(self, exchange: Exchange, url: Url) -> None:
        if http2_faults.is_unprocessed(exchange, encrypted=True):
            exchange.sent = False
            exchange.refused = True
            self._http1_hosts.note_refused(url)
        if http2_faults.is_broken(exchange):
            self._http1_hosts.note_broken(url)

    def _on_sending(self, *_: object) -> int:
        if self._exchange.sent:
            return pycurl.PREREQFUNC_ABORT  # type: ignore[no-any-return]  # pycurl has no types
        self._exchange.sent = True
        return pycurl.PREREQFUNC_OK  # type: ignore[no-any-return]  # pycurl has no types

    def _on_line(self, line: bytes) -> int | None:
        return None if self._exchange.head_lines.add(line) else 0

    def _on_body(self, chunk: bytes) -> int | None:
        """libcurl checks the time between two reads only, and one read can hold thousands of tiny chunks."""
        exchange = self._exchange
        if time.monotonic() > exchange.deadline:
            exchange.past_deadline = True
            return 0
        try:
            body = exchange.body or self._begin_body()
            return None if body.feed(chunk) else 0
        except BaseException as exc:  # noqa: BLE001 - libcurl cannot carry it; fetch raises it
            self._error = exc
            return 0

    def _begin_body(self) -> ResponseBody:
        exchange, settings = self._exchange, self._settings
        exchange.head = head = ResponseHead(exchange.lines)
        if head.redirects and self._request and is_followed(self._request, head, settings.limits):
            exchange.body = DiscardedBody(head.value("content-length"))
            return exchange.body
        decoder, undecodable = None, False
        if head.value("content-encoding"):
            decoder, undecodable = _decoder(head, settings.max_body_bytes)
        exchange.body = ResponseBody(
            max_bytes=settings.max_body_bytes,
            store_bytes=settings.store_body_bytes,
            decoder=decoder,
            undecodable=undecodable,
        )
        return exchange.body

    def _finish(self, exchange: Exchange, *, encrypted: bool) -> None:
        exchange.dial_refused = self._dialer.refused
        if exchange.curl_code and (exchange.unwritten or is_certificate_refused(exchange)):
            exchange.sent = False
        if exchange.past_deadline and exchange.curl_code == pycurl.E_WRITE_ERROR:
            exchange.curl_code = pycurl.E_OPERATION_TIMEDOUT
        if exchange.curl_code and self._settings.proxy is not None:
            self._check_tunnel(exchange)
        if exchange.body is None:
            exchange.head = ResponseHead(exchange.lines)
        if exchange.head.status >= 200 and exchange.is_over_limit:
            exchange.cut_by_limit = True
            exchange.curl_code = 0
        without_notice = exchange.curl_code == pycurl.E_RECV_ERROR and _is_closed_without_notice(exchange)
        if without_notice:
            exchange.curl_code = 0
        if exchange.curl_code == 0 and not exchange.cut_by_limit:
            self._check_framing(exchange, encrypted=encrypted)
        else:
            # libcurl would keep an HTTP/2 connection of which one stream failed, even a dead one.
            self._sockets.shut_down(self._curl.getinfo(pycurl.ACTIVESOCKET))
        if exchange.body is None:
            return
        if exchange.curl_code == 0:
            if not exchange.body.finish() and without_notice:
                # RFC 9112 9.8: neither the connection nor the coding says that the body is complete.
                exchange.curl_code = pycurl.E_RECV_ERROR
        elif exchange.curl_code == pycurl.E_WRITE_ERROR and exchange.body.error is BodyError.UNWANTED:
            exchange.curl_code = 0

    def _wrote_nothing(self, exchange: Exchange, request: HttpRequest) -> bool:
        """Whether the first write of the request to the socket failed, so that the target got none of it.

        A target that refuses our certificate may reset the connection before libcurl reads its alert. With
        TLS 1.3 the request follows our half of the handshake at once, and may have arrived: a reset after
        the first write says nothing. A record of TLS counts only as a whole (RFC 8446 5.2), and we send no
        early data (RFC 8470). Of a request of several records, libcurl may not have counted the first.
        """
        if self._curl.getinfo(pycurl.REQUEST_SIZE) or not exchange.curl_text.startswith(_WRITE_FAILED):
            return False
        return request.size_bytes <= _ONE_RECORD_BYTES

    def _shortage(self, exchange: Exchange) -> shortage.Shortage | None:
        """What this machine lacked, if that made the exchange fail."""
        if exchange.curl_code == pycurl.E_COULDNT_CONNECT:
            number, dialled = self._curl.getinfo(pycurl.OS_ERRNO), self._dialer.dialled or ""
            found = self._dialer.shortage or shortage.of_connect(number, is_ipv6=dialled.startswith("["))
            # pycurl copies the socket that we opened, and does not say so if it could not.
            return found or shortage.of_descriptors()
        if exchange.curl_code == pycurl.E_PEER_FAILED_VERIFICATION:
            # OpenSSL opens the files of a folder of certificates while it verifies.
            return shortage.of_descriptors()
        return shortage.of_curl(exchange.curl_code)

    def _check_tunnel(self, exchange: Exchange) -> None:
        """Blame the proxy for a new connection, or none at all, without a 2xx of the proxy."""
        info = self._curl.getinfo
        status = info(pycurl.HTTP_CONNECTCODE)
        is_new = exchange.curl_code == pycurl.E_COULDNT_CONNECT or self._dialer.dialled is not None
        if is_new and not 200 <= status < 300:
            exchange.tunnel_failed = True
            exchange.proxy_status = status
        elif exchange.curl_code == E_TOO_LARGE and not info(pycurl.REQUEST_SIZE):
            # The head of the proxy's 2xx did not end.
            exchange.tunnel_failed = True

    def _check_framing(self, exchange: Exchange, *, encrypted: bool) -> None:
        """Compare the kernel's count with head and body. Only a chunked body can hide more in its framing."""
        number: int = self._curl.getinfo(pycurl.ACTIVESOCKET)
        body, byte_counts = exchange.body, self._dialer.byte_counts
        known_bytes = exchange.head_lines.size_bytes + (body.wire_bytes if body is not None else 0)
        if body is not None and exchange.head.value("transfer-encoding"):
            # A TLS record may hold as little as one byte.
            pieces = body.wire_bytes if encrypted else body.chunks
            framing_bytes = byte_counts.unreported_bytes(number) - known_bytes
            exchange.oversized_framing = framing_bytes > _LONG_LINE_BYTES + _FRAMING_BYTES * pieces
            if exchange.oversized_framing:
                self._sockets.shut_down(number)
        elif not encrypted:
            byte_counts.report(number, known_bytes)
            return
        byte_counts.report_everything(number)


def _decoder(head: ResponseHead, max_bytes: int) -> tuple[ContentDecoder | None, bool]:
    """The decoder of a body, and whether there is none although the body is coded.

    A part of a coded body (206) cannot be decoded: RFC 9110 14.2 counts ranges in the coded bytes.
    """
    try:
        decoder = decoder_for(",".join(head.values("content-encoding")), max_bytes)
    except CodingUnknown:
        return None, True
    return (None, decoder is not None) if head.status == 206 else (decoder, False)


def _is_closed_without_notice(exchange: Exchange) -> bool:
    """Whether a TLS peer ended a body by closing the connection without the close_notify that belongs first.

    Too many servers do so to call it an error. A body of known length is checked by its length.
    """
    return (
        "unexpected eof" in exchange.curl_text
        and exchange.head.status >= 200
        and exchange.head.ends_with_connection
    )
