"""The types of the settings of how browsers and proxies reach the API, and the checks of their values."""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from taskrunner.api.http.forwarded import read_prefix
from taskrunner.config.values import split_commas
from taskrunner.domain.backends.service_url import check_host
from taskrunner.domain.messages import shown

_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def _check_network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as exc:
        raise ValueError(
            f"must be addresses or networks such as 10.0.0.0/8, got {shown(value)}: {exc}"
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f"{network} would believe everybody; name the networks of the proxies")
    return str(network)


def _check_public_url(value: str) -> str:
    """RFC 3986: without what a link cannot be added to, and without its last slash."""
    try:
        parts = urlsplit(value)
        _ = parts.port
        host = check_host(parts.hostname or "")
        path = read_prefix(parts.path)
    except ValueError:
        host = path = ""
    rebuilt = f"{parts.scheme}://{parts.netloc}{path}"
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or "@" in parts.netloc
        or value.rstrip("/") != rebuilt
    ):
        raise ValueError(f"must be http(s)://host[:port][/path] without ? and #, got {shown(value)}")
    return rebuilt


def _check_origin(value: str) -> str:
    """RFC 6454 section 6.2: an origin, as browsers send it; they compare nothing but whole origins."""
    if "*" in value:
        raise ValueError(f"takes no patterns, as they let in strangers: name each origin, not {shown(value)}")
    if value == "null":
        raise ValueError("null is the origin of every sandboxed page and local file: name each origin")
    found = _ORIGIN.fullmatch(value)
    scheme, host, port = found.groups() if found else ("", "", None)
    if not _is_origin_host(host) or (port is not None and not 0 < int(port) < 65_536):
        raise ValueError(f"must be like https://app.example.com, without a path, got {shown(value)}")
    usual = _DEFAULT_PORTS.get(scheme)
    if value != value.lower() or (port is not None and (port == usual or port.startswith("0"))):
        raise ValueError(f"browsers send it in lower case and without the usual port; got {shown(value)}")
    return value


def _is_origin_host(host: str) -> bool:
    try:
        check_host(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


_Commas = BeforeValidator(split_commas)

Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_network)], ...], _Commas, Field(max_length=1000)
]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], _Commas, Field(max_length=100)]
PublicUrl = Annotated[str, AfterValidator(_check_public_url), Field(max_length=2048)]
