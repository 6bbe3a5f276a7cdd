"""One libcurl handle, configured by the settings once, and by each request where it differs from the last.

Each option that is set costs time with the interpreter lock held, so options that keep their value are not
set again.
"""

from collections.abc import Callable

import pycurl

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.targets.tls_profile import TlsProfile
from taskrunner.handlers.http.http_request import HttpRequest
from taskrunner.handlers.http.settings import EgressProxy, FetchSettings, TrustStore
from taskrunner.handlers.http.ssrf_guard import DialPlan

# Idle connections: few per worker, and younger than the idle time after which most servers close.
_KEPT_CONNECTIONS = 4
_IDLE_SECONDS = 15
_LIFETIME_SECONDS = 300
# CURLOPT_QUICK_EXIT: closing a handle does not wait for a resolver that hangs. pycurl names none of these
# three.
_QUICK_EXIT = 322
_CA_CACHE_TIMEOUT = 321
_SUPPRESS_CONNECT_HEADERS = 265
# The server chooses, by ALPN in the TLS handshake; without TLS it is HTTP/1.1.
_WITH_HTTP_2 = pycurl.CURL_HTTP_VERSION_2TLS


class CurlHandle:
    """`curl` with its connections, for one TLS profile or for none, and the `plan` that it dials by.

    libcurl calls `on_sending` before it sends a request that must not be sent twice.
    """

    def __init__(self, settings: FetchSettings, profile: str | None, on_sending: Callable[..., int]) -> None:
        self.curl = pycurl.Curl()
        self.plan: DialPlan | None = None
        self._settings = settings
        self._on_sending = on_sending
        self._method_and_body = ("GET", False)
        self._send_once = False
        self._http2: bool | None = None
        self._timeout_ms = 0
        self._set_constants()
        self._set_profile(
            settings.tls[profile] if profile else TlsProfile(), settings.key_passwords.get(profile or "")
        )

    def prepare(self, request: HttpRequest, plan: DialPlan, timeout: float, *, http2: bool) -> None:
        """Set what differs from the last request. `http2`: offer it."""
        curl = self.curl
        if http2 is not self._http2:
            curl.setopt(pycurl.HTTP_VERSION, _WITH_HTTP_2 if http2 else pycurl.CURL_HTTP_VERSION_1_1)
            self._http2 = http2
        if plan is not self.plan:
            self._set_plan(plan)
        curl.setopt(pycurl.URL, request.url.text)
        # libcurl would write `%2f` as `%2F` and drop an empty query; a signature may cover every byte.
        curl.setopt(pycurl.REQUEST_TARGET, request.url.target)
        curl.setopt(pycurl.HTTPHEADER, request.all_header_lines)
        method_and_body = (request.method, request.content is not None)
        if method_and_body != self._method_and_body:
            self._set_method(*method_and_body)
            self._method_and_body = method_and_body
        if request.content is not None:
            curl.setopt(pycurl.POSTFIELDS, request.content)
        if request.send_once is not self._send_once:
            self._set_send_once(request.send_once)
            self._send_once = request.send_once
        timeout_ms = _milliseconds(timeout)
        if timeout_ms != self._timeout_ms:
            curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
            self._timeout_ms = timeout_ms

    def _set_constants(self) -> None:
        curl, settings = self.curl, self._settings
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(_QUICK_EXIT, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.HTTP09_ALLOWED, 0)
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        self._set_proxy(settings.proxy)
        # Nothing but `_set_plan` changes the cache of names: no entry of it may expire.
        curl.setopt(pycurl.DNS_CACHE_TIMEOUT, -1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(settings.connect_timeout))
        curl.setopt(pycurl.MAXCONNECTS, _KEPT_CONNECTIONS)
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
        curl.setopt(pycurl.MAXLIFETIME_CONN, _LIFETIME_SECONDS)

    def _set_proxy(self, proxy: EgressProxy | None) -> None:
        """Set both options even without a proxy, or libcurl reads `http_proxy`, `no_proxy` and the like."""
        curl = self.curl
        curl.setopt(pycurl.NOPROXY, "*" if proxy is None else "")
        if proxy is None:
            curl.setopt(pycurl.PROXY, "")
            return
        curl.setopt(pycurl.PROXY, f"{proxy.scheme}://{shown_place((proxy.host, proxy.port))}")
        self._set_trust(self._settings.trust, folder=pycurl.PROXY_CAPATH, file=pycurl.PROXY_CAINFO)
        curl.setopt(pycurl.HTTPPROXYTUNNEL, 1)
        # Sent to the proxy only: every request has its own, and a task's must not reach the proxy.
        curl.setopt(pycurl.USERAGENT, self._settings.user_agent)
        # The proxy's answer to CONNECT is no part of the target's answer.
        curl.setopt(_SUPPRESS_CONNECT_HEADERS, 1)
        if proxy.user is not None:
            curl.setopt(pycurl.PROXYUSERNAME, proxy.user)
            curl.setopt(pycurl.PROXYPASSWORD, proxy.password or "")

    def _set_profile(self, profile: TlsProfile, key_password: str | None) -> None:
        trust = TrustStore(file=profile.ca_file) if profile.ca_file else self._settings.trust
        self._set_trust(trust, folder=pycurl.CAPATH, file=pycurl.CAINFO)
        # libcurl caches trusted certificates for a day; a renewed file must be noticed sooner.
        self.curl.setopt(_CA_CACHE_TIMEOUT, _LIFETIME_SECONDS)
        if profile.cert_file is not None:
            self.curl.setopt(pycurl.SSLCERT, profile.cert_file)
            self.curl.setopt(pycurl.SSLKEY, profile.key_file or profile.cert_file)
        if key_password is not None:
            self.curl.setopt(pycurl.KEYPASSWD, key_password)

    def _set_trust(self, trust: TrustStore, *, folder: int, file: int) -> None:
        """`folder` and `file` are libcurl's options, those of the target or of the proxy."""
        if trust.folder is not None:
            self.curl.unsetopt(file)
            self.curl.setopt(folder, trust.folder)
        elif trust.file is not None:
            self.curl.unsetopt(folder)
            self.curl.setopt(file, trust.file)

    def _set_plan(self, plan: DialPlan) -> None:
        """Leave in libcurl's cache of names what the SSRF guard allows for this request, and nothing else."""
        before = self.plan
        entries = [before.resolve_removal] if before is not None and before.resolve_entry else []
        if plan.resolve_entry:
            entries.append(plan.resolve_entry)
        self.curl.setopt(pycurl.RESOLVE, entries)
        if self._settings.proxy is not None:
            self.curl.setopt(pycurl.CONNECT_TO, [plan.connect_to] if plan.connect_to else [])
        self.plan = plan

    def _set_method(self, method: str, has_content: bool) -> None:
        """Each of NOBODY, POST and HTTPGET undoes the other two."""
        curl = self.curl
        curl.unsetopt(pycurl.CUSTOMREQUEST)
        if method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
            return
        curl.setopt(pycurl.POST if has_content else pycurl.HTTPGET, 1)
        if method != ("POST" if has_content else "GET"):
            curl.setopt(pycurl.CUSTOMREQUEST, method)

    def _set_send_once(self, send_once: bool) -> None:
        """Use a new connection, and have libcurl ask before it sends.

        A kept connection may close just as we use it. Nobody knows then whether the target got the request,
        and libcurl would send it again.
        """
        curl = self.curl
        curl.setopt(pycurl.FRESH_CONNECT, send_once)
        if send_once:
            curl.setopt(pycurl.PREREQFUNCTION, self._on_sending)
        else:
            curl.unsetopt(pycurl.PREREQFUNCTION)


def _milliseconds(seconds: float) -> int:
    """At least 1: to libcurl, 0 means no limit."""
    return max(1, int(seconds * 1000))
