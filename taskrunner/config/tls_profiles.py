"""`Fetch.tls`: reads the profiles, and checks that their files can be used."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import BeforeValidator

from taskrunner.config.named_values import NAME, folded, read_named_values
from taskrunner.config.values import read_hosts
from taskrunner.domain.errors import ConfigInvalid, FieldError
from taskrunner.domain.messages import did_you_mean
from taskrunner.domain.targets.tls_profile import TlsProfile

_MAX_PROFILES = 100
_MAX_PASSWORD_BYTES = 4096
_KEYS = tuple(each.name for each in msgspec.structs.fields(TlsProfile))


def read_profiles(value: Any) -> Any:
    """The profiles of a mapping of mappings, or of the text `NAME.KEY=VALUE, …`. Raises `ValueError`."""
    if isinstance(value, str):
        value = read_named_values(value, ("hosts",), "internal.ca_file=/etc/ca.pem")
    if not isinstance(value, Mapping):
        raise ValueError("must be names, each with keys such as ca_file and cert_file")
    if len(value) > _MAX_PROFILES:
        raise ValueError(f"{len(value)} profiles, at most {_MAX_PROFILES} are allowed")
    profiles = {name: _profile(name, keys) for name, keys in value.items()}
    _refuse_doubles(profiles)
    return profiles


def read_key_passwords(profiles: Mapping[str, TlsProfile]) -> dict[str, str]:
    """The passwords of locked keys, by profile. Raises `ConfigInvalid` if any file cannot be used."""
    passwords, findings = {}, []
    for name, profile in profiles.items():
        try:
            password = _try_files(name, profile)
        except ValueError as exc:
            findings.append(FieldError(field="Fetch.tls", message=str(exc)))
            continue
        if password is not None:
            passwords[name] = password
    if findings:
        raise ConfigInvalid(findings)
    return passwords


def _profile(name: str, keys: Any) -> TlsProfile:
    if isinstance(keys, TlsProfile):
        return keys
    if not NAME.fullmatch(name):
        raise ValueError("a profile's name must be 1 to 64 letters, digits or ._-")
    if not isinstance(keys, Mapping):
        raise ValueError(f"{name}: must have keys such as ca_file and cert_file")
    given: dict[str, Any] = {}
    for key, value in keys.items():
        known = next((each for each in _KEYS if folded(each) == folded(key)), None)
        if known is None:
            raise ValueError(f"{name}.{key}: unknown key{did_you_mean(key, _KEYS)}")
        if value in (None, ""):
            continue
        if known == "hosts":
            value = read_hosts(f"{name}.hosts", value)
        elif not isinstance(value, str):
            raise ValueError(f"{name}.{known}: must be the path of a file")
        given[known] = value
    if not given.keys() & {"ca_file", "cert_file"}:
        raise ValueError(f"{name}: must have a ca_file, a cert_file or both")
    if given.keys() & {"key_file", "key_password_file"} and "cert_file" not in given:
        raise ValueError(f"{name}: a key needs the certificate that it belongs to, cert_file")
    return TlsProfile(**given)


def _refuse_doubles(profiles: Mapping[str, TlsProfile]) -> None:
    owners: dict[str, str] = {}
    for name, profile in profiles.items():
        for host in profile.hosts:
            if owners.setdefault(host, name) != name:
                raise ValueError(f"{owners[host]} and {name} are both for {host}; give it to one of them")


def _try_files(name: str, profile: TlsProfile) -> str | None:
    for key, path in _paths(profile):
        _refuse_unreadable(f"{name}.{key}", path)
    password = None
    if profile.key_password_file is not None:
        password = _password(f"{name}.key_password_file", profile.key_password_file)
    if profile.ca_file is not None:
        _refuse_no_certificate(f"{name}.ca_file", profile.ca_file)
    if profile.cert_file is not None:
        _refuse_no_certificate(f"{name}.cert_file", profile.cert_file)
        _refuse_no_key(name, profile, profile.cert_file, password)
    return password


def _paths(profile: TlsProfile) -> Iterator[tuple[str, str]]:
    for key in _KEYS:
        path = getattr(profile, key)
        if key.endswith("_file") and path is not None:
            yield key, path


def _refuse_unreadable(label: str, path: str) -> None:
    try:
        with Path(path).open("rb") as stream:
            stream.read(1)
    except OSError as exc:
        raise ValueError(f"{label}: cannot read {path}: {exc.strerror}") from None


def _password(label: str, path: str) -> str:
    with Path(path).open("rb") as stream:
        content = stream.read(_MAX_PASSWORD_BYTES + 1)
    try:
        password = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{label}: {path} is not UTF-8 text") from None
    if not password or len(content) > _MAX_PASSWORD_BYTES:
        raise ValueError(f"{label}: {path} is {'larger than 4 KiB' if password else 'empty'}")
    return password


def _refuse_no_certificate(label: str, path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"{label}: {path} holds no certificate in PEM") from None


def _refuse_no_key(name: str, profile: TlsProfile, cert: str, known: str | None) -> None:
    """Have OpenSSL load the certificate and the key, as it does for each handshake."""
    key = profile.key_file or cert
    asked = False

    def password() -> str:
        # Without this function OpenSSL asks on the terminal.
        nonlocal asked
        asked = True
        return known or ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password)
    except ssl.SSLError as exc:
        label = f"{name}.{'key_file' if profile.key_file else 'cert_file'}: {key}"
        if exc.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{label} is not the key of the certificate in {cert}") from None
        if not asked:
            raise ValueError(f"{label} holds no private key in PEM") from None
        if known is None:
            raise ValueError(f"{label} is locked: give its password in a key_password_file") from None
        path = profile.key_password_file
        raise ValueError(f"{name}.key_password_file: {path} does not open {key}") from None


TlsProfiles = Annotated[dict[str, TlsProfile], BeforeValidator(read_profiles)]
