"""The types of the settings of how browsers and proxies reach the API, and the checks of their values."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from taskrunner.api.forwarded import read_prefix
from taskrunner.config.values import split_commas
from taskrunner.domain.messages import shown
from taskrunner.domain.service_url import check_host


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


_Commas = BeforeValidator(split_commas)

Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_network)], ...], _Commas, Field(max_length=1000)
]
PublicUrl = Annotated[str, AfterValidator(_check_public_url), Field(max_length=2048)]
