"""The grammar of a URL: ambiguous URLs are refused, and all others have one canonical spelling.

It is narrower than RFC 3986 wherever URL parsers are known to differ: no user information, no backslash, no
percent-encoding and no zone in a host, a numeric host only as four plain decimals, a port only in digits.
The URL that is stored and fetched is rebuilt from the checked parts.
"""

import re
import unicodedata
from functools import lru_cache

from taskrunner.domain.messages import shown
from taskrunner.domain.targets.address import Address, parse_address
from taskrunner.domain.value import Value

DEFAULT_PORTS = {"http": 80, "https": 443}
LAST_PORT = 65_535
# A canonical URL, as nearly all are: one match instead of a parser on the batch path.
_PLAIN = re.compile(
    r"(https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?)(/[\x21\x22\x24-\x5b\x5d-\x7e]*)"
)
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([1-9][0-9]{0,4}))?")
_PRINTABLE = re.compile(r"[\x21-\x7e]*")
# Public DNS has labels that begin or end with a hyphen, although RFC 1123 forbids it for host names.
_LABEL = r"[a-z0-9_-]{1,63}"
_NAME = re.compile(rf"(?=.{{1,254}}\Z)(?!.{{254}}(?<!\.)\Z){_LABEL}(?:\.{_LABEL})*\.?")
# For JSON Schema, in ECMA 262: every URL that is accepted matches. The rules for A-labels and numeric hosts,
# and the policy for targets, are beyond it.
_ANY_LABEL = r"[^\x00-,./:-@\[-^`{-\x7f]{1,63}"
_TOP_LABEL = r"[0-9]{0,62}[^\x00-,./-@\[-^`{-\x7f][^\x00-,./:-@\[-^`{-\x7f]{0,62}"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_H16 = "[0-9A-Fa-f]{1,4}"
_LS32 = f"(?:{_H16}:{_H16}|{_IPV4})"
# RFC 3986 section 3.2.2: what may stand on the right of "::", from most to nothing, and then on its left.
_RIGHTS = (*(f"(?:{_H16}:){{{count}}}{_LS32}" for count in range(5, -1, -1)), _H16, "")
_LEFTS = ("", *(f"(?:(?:{_H16}:){{0,{count}}}{_H16})?" for count in range(7)))
_IPV6 = "|".join(
    [
        f"(?:{_H16}:){{6}}{_LS32}",
        *(f"{left}::{right}" for left, right in zip(_LEFTS, _RIGHTS, strict=True)),
    ]
)
_URL_HOST = rf"(?:(?:{_ANY_LABEL}\.)*{_TOP_LABEL}\.?|{_IPV4}|\[(?:{_IPV6})\])"
HOST_PATTERN = rf"(?:{_URL_HOST}|{_IPV4}\.)"
_PORT = "6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
PORT_PATTERN = rf"(?::(?:{_PORT}))?"
ORIGIN_PATTERN = rf"[Hh][Tt][Tt][Pp][Ss]?://{_URL_HOST}{PORT_PATTERN}"
URL_PATTERN = rf"^{ORIGIN_PATTERN}(?:[/#][!-\[\]-~]*|\?(?:[!->@-\[\]-~][!-\[\]-~]*)?)?$"
# Only ASCII: str.lower would turn the Kelvin sign into a k.
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
# A parser may take this for a number, and the whole host for an IPv4 address (WHATWG URL 3.5).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Url(Value):
    """An http or https URL: `text` is its canonical spelling.

    `host` is a name in ASCII, or an address without brackets, which is then also in `address`.
    """

    text: str
    scheme: str
    host: str
    address: Address | None
    port: int

    @property
    def target(self) -> str:
        """Path and query, byte for byte as they were given (RFC 9112 section 3.2.1)."""
        return self.text[self.text.index("/", 8) :]

    @property
    def origin_text(self) -> str:
        """The origin as text (RFC 6454 section 6.2)."""
        return self.text[: self.text.index("/", 8)]

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454)."""
        return self.scheme, self.host, self.port


def parse_url(text: str) -> Url:
    """The URL, without its fragment, which is never sent (RFC 9110 section 7.1).

    Raises `ValueError` with the reason.
    """
    match = _PLAIN.fullmatch(text)
    if match is None:
        return _parse(text)
    origin, path = match.groups()
    start, scheme, host, address, port = _checked_origin(origin)
    if start is not origin and start != origin:
        text = start + path
    return Url(text=text, scheme=scheme, host=host, address=address, port=port)


def _parse(text: str) -> Url:
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise ValueError(f"must start with http:// or https://, got {_shown(text)}")
    if "\\" in text:
        raise ValueError("must not hold a backslash; percent-encode it as %5C")
    authority = _AUTHORITY.match(rest)[0]  # type: ignore[index]  # it also matches the empty text
    tail = rest[len(authority) :]
    if "@" in authority:
        raise ValueError("must not hold a user name or password; send an Authorization header")
    if not _PRINTABLE.fullmatch(tail):
        raise ValueError("must be printable ASCII without spaces after the host; percent-encode the rest")
    if tail.startswith("??"):
        raise ValueError(f"has no usable path or query: {_shown(text)}")
    path = tail.partition("#")[0]
    start, scheme, host, address, port = _checked_origin(f"{scheme}://{authority.translate(_LOWER)}")
    text = f"{start}{path}" if path.startswith("/") else f"{start}/{path}"
    return Url(text=text, scheme=scheme, host=host, address=address, port=port)


def spell_host(host: str) -> str:
    """The canonical spelling of a host; an IPv6 address is in brackets. Raises `ValueError`."""
    return _checked_host(host.translate(_LOWER))[0]


@lru_cache(maxsize=4096)
def _checked_origin(text: str) -> tuple[str, str, str, Address | None, int]:
    """The canonical spelling of a URL up to its path, and its parts. Raises `ValueError`."""
    scheme, _, authority = text.partition("://")
    host_port = _HOST_PORT.fullmatch(authority)
    if host_port is None or not host_port[1]:
        raise ValueError(f"has no usable host or port: {shown(text)}")
    host, address = _checked_host(host_port[1])
    default = DEFAULT_PORTS[scheme]
    port = int(host_port[2] or default)
    if port > LAST_PORT:
        raise ValueError(f"has no usable host or port: {shown(text)}")
    start = f"{scheme}://{host}" if port == default else f"{scheme}://{host}:{port}"
    return start, scheme, host if address is None else str(address), address, port


def _checked_host(host: str) -> tuple[str, Address | None]:
    """The canonical spelling of a host, and its address if it is one. Raises `ValueError`."""
    if host.startswith("["):
        address = parse_address(host[1:-1])
        if address is None or address.version == 4:
            raise ValueError(f"has a host that is not an IPv6 address: {shown(host)}")
        return f"[{address}]", address
    if not host.isascii():
        host = _in_ascii(host)
    last = host.removesuffix(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        address = parse_address(host)
        if address is None:
            raise ValueError(f"has a numeric host that is not a plain IPv4 address: {shown(host)}")
        return host, address
    if not _NAME.fullmatch(host):
        raise ValueError(f"has a host that is not a name: {shown(host)}")
    if "xn--" in host and not all(map(_decodes, host.split("."))):
        raise ValueError(f"has a host with an xn-- label that does not decode: {shown(host)}")
    return host, None


def _in_ascii(name: str) -> str:
    """By IDNA 2008 without mapping: look-alike characters are refused."""
    # Imported here: its tables take half a MiB, and nearly all names are ASCII.
    import idna

    try:
        return ".".join(
            label if label.isascii() else idna.encode(label, strict=True, uts46=False).decode("ascii")
            for label in name.split(".")
        )
    except UnicodeError as exc:
        raise ValueError(f"has a host that is not a name by IDNA 2008: {shown(name)}") from exc


def _decodes(label: str) -> bool:
    """Whether an A-label (RFC 5890 2.3.2.1) means a name; any other label does.

    Symbols are let in, although IDNA 2008 refuses them: names with emoji are registered and in use.
    """
    if not label.startswith("xn--"):
        return True
    import idna

    try:
        decoded = label[4:].encode().decode("punycode")
        if decoded.encode("punycode").decode() != label[4:] or decoded.isascii():
            return False
        letters = "".join(char for char in decoded if unicodedata.category(char) != "So")
        if not letters.isascii():
            idna.check_label(letters)
    except UnicodeError:
        return False
    return True


def _shown(url: str) -> str:
    """A URL, valid or not, without the parts that may be secret: user information and query."""
    start, separator, _ = url.partition("?")
    scheme, slashes, rest = start.rpartition("//")
    host_port = rest.rpartition("@")[2]
    return shown(f"{scheme}{slashes}{host_port}{separator and '?…'}")
