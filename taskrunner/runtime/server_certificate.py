"""The certificate of a server of ours, and the context that shows it to clients.

A renewed file is picked up without a restart: the context loads it for further handshakes. A file that cannot
be used is reported, and the certificate before it stays.
"""

import os
import ssl
from dataclasses import dataclass
from datetime import datetime

from taskrunner.domain.errors import ConfigInvalid, FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """PEM files; `key` is not needed where `cert` has the key.

    With `client_ca`, clients must show a certificate that one of these authorities has signed.
    """

    cert: str
    key: str | None = None
    client_ca: str | None = None


class ServerCertificate:
    """`section` is that of the settings, for errors. Raises `ConfigInvalid` for a file that is no good.

    `ends_at` is when the certificate in use stops being good; None if that cannot be read.
    """

    def __init__(self, files: CertificateFiles, section: str) -> None:
        self._files = files
        self._section = section
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # RFC 8996 forbids what is older.
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The API speaks HTTP/1.1 only (RFC 7301).
        self.context.set_alpn_protocols(["http/1.1"])
        if files.client_ca is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
        self._seen = self._load()

    def refresh(self) -> bool:
        """Load files that have changed since the last call; whether they had. Raises `ConfigInvalid`."""
        now = self._state()
        if now == self._seen:
            return False
        # Before the attempt, so that a bad file is reported once.
        self._seen = now
        self._load()
        return True

    def _load(self) -> tuple[tuple[int, int, int] | None, ...]:
        seen, files = self._state(), self._files
        setting, file = "cert_file", files.cert
        try:
            # On trial first: a pair of which only one half has been renewed must not replace the good one.
            # Without the callback, an encrypted key would ask for its password on the terminal.
            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trial.load_cert_chain(files.cert, files.key, password=lambda: "")
            ends_at = _end_of(files.cert)
            if files.client_ca is not None:
                setting, file = "client_ca_file", files.client_ca
                self.context.load_verify_locations(cafile=file)
        except OSError as exc:  # ssl.SSLError is one
            key = f" with the key {files.key}" if files.key and file == files.cert else ""
            message = f"cannot use {file}{key}: {exc.strerror or exc}"
            raise ConfigInvalid([FieldError(field=f"{self._section}.{setting}", message=message)]) from exc
        self.context.load_cert_chain(files.cert, files.key, password=lambda: "")
        self.ends_at = ends_at
        return seen

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        files = (self._files.cert, self._files.key, self._files.client_ca)
        return tuple(_stamp(file) for file in files if file is not None)


def _end_of(file: str) -> datetime | None:
    """The end of our own certificate, which comes first (RFC 8446 4.4.2). Raises `OSError`."""
    # Only processes with a certificate need it; it takes 30 ms to load.
    from cryptography.x509 import load_pem_x509_certificates

    with open(file, "rb") as pem:
        text = pem.read()
    try:
        return load_pem_x509_certificates(text)[0].not_valid_after_utc
    except ValueError:
        return None  # OpenSSL takes what this parser refuses, such as a negative serial number


def _stamp(file: str) -> tuple[int, int, int] | None:
    """What differs after a change, also when the file is replaced by a link to another."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
