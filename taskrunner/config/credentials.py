"""`Fetch.credentials`: reads what tasks may send to prove who asks, and the hosts that each is for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from taskrunner.config.named_values import NAME, folded, read_named_values
from taskrunner.config.signing_keys import read_keys, read_secret_hosts
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.targets.credential import (
    ClientAuth,
    Credential,
    GrantedToken,
    SignedToken,
    SigningSecret,
    is_private,
)
from taskrunner.domain.targets.signature import PREFIX
from taskrunner.domain.targets.url import parse_url

_MAX_CREDENTIALS = 100
_MAX_KEY_BYTES = 64 * 1024
_MAX_TEXT = 1024
# By the key that says what kind a credential is: the others that it may have.
_KINDS = {
    "keys": ("hosts",),
    "key_file": ("hosts", "other_key_file", "subject", "audience"),
    "token_url": ("hosts", "client_id", "client_secret", "client_auth", "scope", "audience"),
}
_ALL_KEYS = tuple(dict.fromkeys([*_KINDS, *(key for keys in _KINDS.values() for key in keys)]))


def read_credentials(value: Any) -> Any:
    """The credentials of a mapping of mappings, or of the text `NAME.KEY=VALUE, …`. Raises `ValueError`."""
    if isinstance(value, str):
        value = read_named_values(value, ("hosts", "keys"), "erp.key_file=/etc/erp.pem")
    if not isinstance(value, Mapping):
        raise ValueError("must be names, each with keys such as key_file and hosts")
    if len(value) > _MAX_CREDENTIALS:
        raise ValueError(f"{len(value)} credentials, at most {_MAX_CREDENTIALS} are allowed")
    return {name: _credential(name, given) for name, given in value.items()}


def _credential(name: Any, given: Any) -> Credential:
    if isinstance(given, Credential):
        return given
    # Some secrets could be names, and names are shown.
    if not isinstance(name, str) or not NAME.fullmatch(name) or name.startswith(PREFIX):
        raise ValueError(
            f"a credential's name must be 1 to 64 letters, digits or ._-, not beginning with {PREFIX}"
        )
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: must have keys such as key_file and hosts")
    keys = {_known(name, str(key)): value for key, value in given.items() if value not in (None, "")}
    kinds = [kind for kind in _KINDS if kind in keys]
    if len(kinds) != 1:
        raise ValueError(
            f"{name}: must have one of keys (whsec_…, to sign), key_file (to issue tokens) and token_url "
            "(to be granted them)"
        )
    for key in keys:
        if key != kinds[0] and key not in _KINDS[kinds[0]]:
            raise ValueError(f"{name}.{key}: does not go with {kinds[0]}")
    hosts = read_secret_hosts(
        name, keys.get("hosts"), "lets everybody who may submit a task send it anywhere"
    )
    if kinds == ["keys"]:
        return SigningSecret(keys=read_keys(name, keys["keys"]), hosts=hosts)
    if kinds == ["token_url"]:
        return _granted(name, keys, hosts)
    other = keys.get("other_key_file")
    return SignedToken(
        hosts=hosts,
        key_pem=_pem(f"{name}.key_file", keys["key_file"]),
        other_key_pem=None if other is None else _pem(f"{name}.other_key_file", other),
        subject=_text(f"{name}.subject", keys.get("subject")),
        audience=_text(f"{name}.audience", keys.get("audience")),
    )


def _granted(name: str, keys: Mapping[str, Any], hosts: tuple[str, ...]) -> GrantedToken:
    texts = {key: _text(f"{name}.{key}", value) or "" for key, value in keys.items() if key != "hosts"}
    for key in ("client_id", "client_secret"):
        if key not in texts:
            raise ValueError(f"{name}.{key}: is required, as token_url is given")
    how = texts.pop("client_auth", ClientAuth.BASIC).lower()
    if how not in {*ClientAuth}:
        raise ValueError(f"{name}.client_auth: must be one of {', '.join(ClientAuth)}, got {shown(how)}")
    try:
        url = parse_url(texts.pop("token_url"))
    except ValueError as exc:
        raise ValueError(f"{name}.token_url: {exc}") from None
    if not is_private(url):
        # RFC 6749 section 3.2.
        raise ValueError(f"{name}.token_url: must be an https URL, since it gets the client_secret")
    return GrantedToken(**texts, token_url=url.text, client_auth=ClientAuth(how), hosts=hosts)


def _known(name: str, key: str) -> str:
    known = next((each for each in _ALL_KEYS if folded(each) == folded(key)), None)
    if known is None:
        raise ValueError(f"{name}.{key}: unknown key{did_you_mean(key, _ALL_KEYS)}")
    return known


def _text(label: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"{label}: must be one line of at most {_MAX_TEXT} characters")
    return value


def _pem(label: str, path: Any) -> str:
    """The text of a private key that can sign tokens."""
    # Loads the library for tokens, which only those who configure a key need.
    from taskrunner.domain.targets.signed_token import TokenKey

    if not isinstance(path, str):
        raise ValueError(f"{label}: must be the path of a file")
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(_MAX_KEY_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"{label}: cannot read {path}: {exc.strerror}") from None
    try:
        pem = content[:_MAX_KEY_BYTES].decode("ascii")
        TokenKey(pem)
    except UnicodeDecodeError:
        raise ValueError(f"{label}: {path} holds no private key in PEM") from None
    except ValueError as exc:
        raise ValueError(f"{label}: {path} {exc}") from None
    return pem


def _check_issuer(text: str) -> str:
    """OpenID Connect Discovery 1.0, section 3: an https URL without query and fragment."""
    if "?" in text or "#" in text:
        raise ValueError("must have no query and no fragment")
    url = parse_url(text)
    if url.scheme != "https":
        raise ValueError("must be an https URL, under which receivers find this API")
    return text.removesuffix("/")


Credentials = Annotated[dict[str, Credential], BeforeValidator(read_credentials)]
Issuer = Annotated[str, Field(max_length=_MAX_TEXT), AfterValidator(_check_issuer)]
