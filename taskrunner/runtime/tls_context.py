"""The TLS context of a connection to a broker or a store."""

import ssl

from taskrunner.domain.backends.service_tls import ServiceTls, TlsVerify
from taskrunner.domain.errors import ConfigInvalid, FieldError


def make_tls_context(tls: ServiceTls, section: str) -> ssl.SSLContext:
    """Trusts the system's authorities unless `tls` names others. Raises `ConfigInvalid` for a bad file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verify is TlsVerify.FULL
    if tls.verify is TlsVerify.NONE:
        context.verify_mode = ssl.CERT_NONE
    file = tls.ca_file
    try:
        if file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=file)
        if tls.cert_file:
            file = tls.cert_file
            # Without the callback, an encrypted key would ask for its password on the terminal.
            context.load_cert_chain(file, tls.key_file, password=lambda: "")
    except OSError as exc:  # ssl.SSLError is one
        message = f"cannot use the TLS file {file}{_key(tls, file)}: {exc.strerror or exc}"
        raise ConfigInvalid([FieldError(field=section, message=message)]) from exc
    return context


def _key(tls: ServiceTls, file: str | None) -> str:
    return f" with the key {tls.key_file}" if tls.key_file and file == tls.cert_file else ""
