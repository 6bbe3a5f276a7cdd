"""Masking: the only module that decides which part of a secret may be shown.

The promise, for answers, command output, error messages, logs and configuration dumps:

- User information of a URL is never shown.
- The value of a header is shown only if its name is on our list of harmless ones, and not in
  `Fetch.mask_headers`. URLs in headers are masked like all URLs.
- The value of a query parameter, and of one in a fragment or after `;` in a path, is shown only if its name
  suggests no secret, and either the name is on our list or the value is too plain to be one. Other secrets in
  a path cannot be recognised, so paths are shown.
- Log lines have no query, no fragment and no header at all.
- Settings marked as secret are not shown, except the address part of a URL.
- Texts that others wrote, such as the message of a handler's exception, are shown without what looks like a
  secret, and without the secrets that the worker knows: those of its environment and of the task's data.
- Of the data of a task, the value of a member is not shown if its name suggests a secret, at any depth. Who
  runs the task gets all of it.
- Request bodies are never shown: no answer has a field for them.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, overload
from urllib.parse import unquote

MASK = "***"

_SECRET_NAME = re.compile(
    r"auth|cookie|token|secret|passw|api[-_]?key|credential|signature|session|jwt|assertion|nonce|ticket",
    re.IGNORECASE,
)
# Query strings also use short names: map services, Azure, and many home-made APIs.
_SECRET_PARAMETER = re.compile(
    r"(?:^|[-_.])(?:key|sig|hmac|auth|pwd|pw|pass|code|otp|pin|sid|sas|hash|saml\w*)$", re.IGNORECASE
)
_SHOWN_HEADERS_TEXT = """
accept accept-ch accept-charset accept-encoding accept-language accept-patch accept-ranges age allow
alt-svc cache-control cf-cache-status cf-ray connection content-disposition content-encoding
content-language content-length content-range content-security-policy content-type
cross-origin-opener-policy cross-origin-resource-policy date deprecation dnt etag expect expires from
host idempotency-key if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive
last-modified origin permissions-policy pragma prefer preference-applied priority proxy-status range
referrer-policy request-id retry-after server server-timing strict-transport-security sunset te
traceparent tracestate trailer transfer-encoding upgrade user-agent vary via warning webhook-id
webhook-timestamp x-cache x-content-type-options x-correlation-id x-frame-options x-powered-by
x-request-id x-requested-with x-runtime x-trace-id x-xss-protection
"""
_SHOWN_HEADERS = frozenset(_SHOWN_HEADERS_TEXT.split())
# The IETF's draft and what came before it; their values are numbers.
_SHOWN_PREFIXES = (
    "access-control-",
    "ratelimit",
    "x-ratelimit-",
    "x-rate-limit-",
    "taskrunner-",
    "sec-fetch-",
)
# Values that are URLs or hold some.
_URL_HEADERS = frozenset({"location", "content-location", "referer"})
_SHOWN_PARAMETERS_TEXT = """
page per_page page_size limit offset count size sort order order_by q query search lang language locale
format type kind status category tag from to since until start end date year month day hour width height
version v fields include exclude filter currency country city unit units id ids user_id api-version
"""
_SHOWN_PARAMETERS = frozenset(_SHOWN_PARAMETERS_TEXT.split())
_PLAIN_VALUE = re.compile(r"[0-9]{0,10}|true|false|[A-Za-z0-9._-]{1,4}|[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?")
_NAMED_VALUE = re.compile(r"[A-Za-z0-9._,:+%~ -]{0,64}")
# RFC 8288 section 3; RFC 3986 3.3 for the parameters of a path.
_LINK_TARGET = re.compile(r"<([^>]*)>?")
_REFRESH = re.compile(r"""(\s*[0-9.]*\s*[;,]?\s*(?:url\s*=\s*)?["']?)(.*)""", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER = re.compile(r"\{[\w.-]+\}")
_PATH_PARAMETER = re.compile(r";[^;/=]*=[^;/]*")
_URL_USER = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/?#]*@")
# Up to the last @, since a password that is not percent-encoded can hold any character.
_USER_INFO = re.compile(r"(?<=//).*@", re.DOTALL)
# The parameters of our servers' URLs that say how to connect, and nothing secret; all others are masked.
_PLAIN_PARAMETER = re.compile(
    r"(?:db|dbname|host|port|user|sslmode|ssl|verify|search_path|heartbeat|keepalives|application_name"
    r"|channel_binding|target_session_attrs|\w+_timeout|ssl_cert_reqs|ssl_check_hostname)=.*",
    re.DOTALL,
)
_URL_IN_TEXT = re.compile(r"(\w{1,30}://)(?:[^\s/'\"]*@)?([^\s?#'\"]*)(?:[?#][^\s'\"]*)?")
# What others wrote may be anything, so each repetition is bounded: no text takes long to search.
# RFC 9110 11.4, as HTTP clients print it.
_SCHEME_AND_TOKEN = re.compile(r"\b(bearer|basic|token)\s{1,4}[A-Za-z0-9._~+/=-]{6,4000}", re.IGNORECASE)
_NAMED_SECRET = re.compile(
    r"((?:auth|cookie|token|secret|passw|passphrase|api[-_]?key|access[-_]?key|private[-_]?key|credential"
    r"|signature|session|jwt|assertion|nonce|ticket|\b(?:pwd|pw|pass|otp|pin|sas)\b)"
    r"[\w.-]{0,40}['\"]?\s{0,4}[:=]\s{0,4})"
    r"(?:b?'[^']{0,4000}'|b?\"[^\"]{0,4000}\"|[^\s,;&)}\]'\"]{1,4000})",
    re.IGNORECASE,
)
# Stripe, GitHub, GitLab, Slack, AWS, Google, OpenAI; JWTs (RFC 7519); PEM (RFC 7468); our own keys.
_KNOWN_TOKEN = re.compile(
    r"\b(?:[srp]k_(?:live|test)_\w{8,200}|whsec_[\w+/=-]{8,200}|gh[opusr]_\w{16,200}"
    r"|github_pat_\w{16,200}|glpat-[\w-]{16,200}|xox[a-z]-[\w-]{8,200}|(?:AKIA|ASIA)[A-Z0-9]{12,40}"
    r"|AIza[\w-]{24,100}|sk-[\w-]{16,300}|tr_[\w-]{16,200}"
    r"|eyJ[\w-]{6,2000}\.[\w-]{1,4000}(?:\.[\w-]{0,2000})?)"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
# A URL can be 8 KiB long; its beginning is enough to recognise a target.
_MAX_LOGGED_CHARS = 512


class Masking:
    """Masks the values of headers that are not known to be harmless, and of `further` names in any case."""

    def __init__(self, further: Iterable[str] = ()) -> None:
        self._further = frozenset(name.lower() for name in further)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """`headers` with `MASK` for every value that may be secret."""
        return {name: self.value(name, value) for name, value in headers.items()} if headers else {}

    def value(self, name: str, value: str) -> str:
        """The value of one header, its URLs masked, or `MASK`."""
        folded = name.lower()
        if folded in self._further:
            return MASK
        if not value or _is_shown_header(folded):
            return value
        return _masked_urls(folded, value)


@overload
def masked_url(url: str) -> str: ...
@overload
def masked_url(url: None) -> None: ...
def masked_url(url: str | None) -> str | None:
    """`url` with `MASK` for its user information and for the value of every parameter that may be secret.

    Everything else keeps its spelling.
    """
    if url is None or ("?" not in url and "#" not in url and ";" not in url and "@" not in url):
        return url
    rest, hash_mark, fragment = url.partition("#")
    place, mark, query = rest.partition("?")
    place = _URL_USER.sub(rf"\1{MASK}@", place)
    place = _PATH_PARAMETER.sub(lambda match: f";{_masked_parameter(match[0][1:])}", place)
    if mark:
        query = _masked_parameters(query)
    if hash_mark and "=" in fragment:
        route, question, parameters = fragment.rpartition("?")
        fragment = f"{route}{question}{_masked_parameters(parameters)}"
    return f"{place}{mark}{query}{hash_mark}{fragment}"


def masked_template(template: str) -> str:
    """As `masked_url`, of a URL template: a value that is a placeholder is none yet, and is shown."""
    given = template.partition("#")[0].partition("?")[2]
    rest, hash_mark, fragment = masked_url(template).partition("#")
    place, mark, query = rest.partition("?")
    parameters = (
        before if _PLACEHOLDER.fullmatch(before.partition("=")[2]) else after
        for before, after in zip(given.split("&"), query.split("&"), strict=True)
    )
    return f"{place}{mark}{'&'.join(parameters)}{hash_mark}{fragment}"


def masked_condition(condition: str) -> str:
    """A condition on tasks; of a label NAME=VALUE whose name suggests a secret, only the name."""
    name, equals, value = condition.partition("=")
    return f"{name}={MASK}" if equals and value and _is_secret_parameter(name) else condition


def is_masked_url(url: str) -> bool:
    """Whether `url` has the value of a parameter as `masked_url` shows it."""
    return any(each.endswith(f"={MASK}") for each in url.partition("?")[2].split("&"))


def mask_user_info(text: str) -> str:
    """`text` with everything between `//` and `@` masked."""
    return _USER_INFO.sub(f"{MASK}@", text)


def masked_setting(value: Any) -> Any:
    """A secret setting, as plain JSON data: a URL without its secrets, everything else `MASK`."""
    if isinstance(value, dict):
        return {name: masked_setting(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked_setting(item) for item in value]
    if not value:
        return value
    if "://" not in value:
        return MASK
    place, mark, query = mask_user_info(value).partition("?")
    return f"{place}{mark}{'&'.join(map(_masked_service_parameter, query.split('&')))}"


def logged_url(url: str) -> str:
    """Host and path of a URL, shortened."""
    host, slash, path = logged_path(url).partition("://")[2].partition("/")
    return f"{host.rpartition('@')[2]}{slash}{path}"


def logged_path(path: str) -> str:
    """`path` without query and fragment, shortened."""
    return path[:_MAX_LOGGED_CHARS].partition("?")[0].partition("#")[0]


def strip_urls(text: str) -> str:
    """`text` with user information, query and fragment removed from every URL in it."""
    return _URL_IN_TEXT.sub(r"\1\2", text) if "://" in text else text


def masked_text(text: str, secrets: Collection[str] = ()) -> str:
    """`text` that we did not write, such as the message of an exception, without what looks like a secret.

    Masked are the `secrets` that the caller knows, the user information and query of URLs, what follows a
    name that suggests a secret (`password=…`, `"api_key": "…"`, `Bearer …`), and tokens of well-known forms.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = strip_urls(text)
    text = _SCHEME_AND_TOKEN.sub(rf"\1 {MASK}", text)
    text = _NAMED_SECRET.sub(rf"\1{MASK}", text)
    return _KNOWN_TOKEN.sub(MASK, text)


def suggests_secret(name: str) -> bool:
    """Whether the name of a field or a variable suggests that its value is a secret."""
    return _is_secret_parameter(name)


def _masked_service_parameter(parameter: str) -> str:
    name = parameter.partition("=")[0]
    return parameter if not parameter or _PLAIN_PARAMETER.fullmatch(parameter) else f"{name}={MASK}"


def _masked_urls(name: str, value: str) -> str:
    """The value of a header that holds URLs, or `MASK`."""
    if name in _URL_HEADERS:
        return masked_url(value)
    if name == "link":
        return _LINK_TARGET.sub(lambda match: f"<{masked_url(match[1])}>", value)
    if name == "refresh" and (match := _REFRESH.fullmatch(value)):
        return f"{match[1]}{masked_url(match[2])}"
    return MASK


def _masked_parameters(text: str) -> str:
    return "&".join([_masked_parameter(each) for each in text.split("&")])


def _masked_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not equals or not value:
        return parameter
    plain = unquote(name)
    if _is_secret_parameter(plain):
        return f"{name}={MASK}"
    pattern = _NAMED_VALUE if plain.lower() in _SHOWN_PARAMETERS else _PLAIN_VALUE
    return parameter if pattern.fullmatch(value) else f"{name}={MASK}"


# Each answer to a submit asks for the same few names; a look-up costs a tenth of the search.
@lru_cache(maxsize=256)
def _is_shown_header(name: str) -> bool:
    return name in _SHOWN_HEADERS or (name.startswith(_SHOWN_PREFIXES) and not _SECRET_NAME.search(name))


@lru_cache(maxsize=256)
def _is_secret_parameter(name: str) -> bool:
    return bool(_SECRET_NAME.search(name) or _SECRET_PARAMETER.search(name))
