"""How the certificate of a broker or a store is checked, and which one we show."""

from dataclasses import dataclass
from enum import StrEnum

from taskrunner.domain.backends.url_parameters import UrlParameters


class TlsVerify(StrEnum):
    """The proof that a server must give: a trusted certificate for its name, any trusted one, or none."""

    FULL = "full"
    CA = "ca"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTls:
    """`ca_file` replaces the system's authorities; `key_file` is not needed where `cert_file` has the key.

    `server_name` is the name that the certificate must have, instead of the host.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: TlsVerify = TlsVerify.FULL
    server_name: str | None = None


def redis_tls(parameters: UrlParameters, default: ServiceTls) -> ServiceTls:
    """https://redis.readthedocs.io/en/stable/connections.html#redis.SSLConnection"""
    required = parameters.one_of("ssl_cert_reqs", {"required": 1, "optional": 1, "none": 1})
    named = parameters.flag("ssl_check_hostname")
    verify = default.verify
    if required == "none":
        # The driver refuses a check of the name without a check of the certificate, too.
        if named:
            raise ValueError("has ssl_check_hostname=true, which needs ssl_cert_reqs=required")
        verify = TlsVerify.NONE
    elif named is not None or required is not None:
        verify = TlsVerify.CA if named is False else TlsVerify.FULL
    return ServiceTls(
        ca_file=parameters.text("ssl_ca_certs") or default.ca_file,
        cert_file=parameters.text("ssl_certfile") or default.cert_file,
        key_file=parameters.text("ssl_keyfile") or default.key_file,
        verify=verify,
    )


def rabbitmq_tls(parameters: UrlParameters, default: ServiceTls) -> ServiceTls:
    """https://www.rabbitmq.com/docs/uri-query-parameters"""
    verify = parameters.one_of("verify", {"verify_peer": 1, "verify_none": 1})
    name = parameters.text("server_name_indication")
    return ServiceTls(
        ca_file=parameters.text("cacertfile") or default.ca_file,
        cert_file=parameters.text("certfile") or default.cert_file,
        key_file=parameters.text("keyfile") or default.key_file,
        verify=TlsVerify.NONE if verify == "verify_none" else default.verify,
        # "disable" sends no name; the certificate is then checked against the host.
        server_name=None if name == "disable" else name,
    )
