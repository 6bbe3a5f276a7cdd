"""Credentials: how a request proves to its target that it comes from this taskrunner.

The configuration names them, and says which hosts each is for: an operator decides who gets a proof, and a
task only names one. Each attempt makes its headers anew.
"""

from collections.abc import Mapping
from enum import StrEnum

from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.targets.address import is_loopback
from taskrunner.domain.targets.url import Url
from taskrunner.domain.targets.url_pattern import covers
from taskrunner.domain.value import Value

WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_AUTHORIZATION = ("authorization",)


class Credential(Value):
    """`hosts` are patterns of `url_pattern`: it is for these hosts and for no others."""

    hosts: tuple[str, ...]


class SigningSecret(Credential):
    """Signs id, time and body by Standard Webhooks; see `signature`.

    Two `keys` while one replaces the other: both sign.
    """

    keys: tuple[str, ...]


class SignedToken(Credential):
    """A JSON Web Token that we issue and sign; see `signed_token`.

    `key_pem` signs. `other_key_pem` is only published beside it: the next key or the last one. `subject` is
    by default the name of the credential, `audience` the origin of the target.
    """

    key_pem: str
    other_key_pem: str | None = None
    subject: str | None = None
    audience: str | None = None

    @property
    def published(self) -> tuple[str, ...]:
        """The private keys whose public halves receivers get."""
        return (self.key_pem,) if self.other_key_pem is None else (self.key_pem, self.other_key_pem)


class ClientAuth(StrEnum):
    """How a token endpoint learns who asks: HTTP Basic, or fields of the form (RFC 6749 section 2.3.1)."""

    BASIC = "basic"
    POST = "post"


class GrantedToken(Credential):
    """A token that the endpoint at `token_url` grants to our client; see `token_grants`."""

    token_url: str
    client_id: str
    client_secret: str
    client_auth: ClientAuth = ClientAuth.BASIC
    scope: str | None = None
    audience: str | None = None


class CredentialUse(Value):
    """What the check of a task needs to know of a credential, without its secrets.

    `headers` are those that it sets, in lower case. `is_token`: whoever gets it can use it elsewhere.
    """

    hosts: tuple[str, ...]
    headers: tuple[str, ...] = ()
    is_token: bool = False


CredentialUses = Mapping[str, CredentialUse]


def use_of(credential: Credential) -> CredentialUse:
    """How a credential may be used."""
    is_token = not isinstance(credential, SigningSecret)
    headers = _AUTHORIZATION if is_token else WEBHOOK_HEADERS
    return CredentialUse(hosts=credential.hosts, headers=headers, is_token=is_token)


def check_name(kind: str, name: str, url: Url, known: Mapping[str, tuple[str, ...]]) -> None:
    """Raises `ValueError` with the reason if a request to `url` may not name this secret or credential.

    `known` has the hosts of each by its name; `kind` is what an error calls them.
    """
    if name not in known:
        raise ValueError(f"no {kind} is configured by the name {shown(name)}{did_you_mean(name, known)}")
    if not any(covers(pattern, url) for pattern in known[name]):
        raise ValueError(f"names a {kind} that is not for the host {shown(url.host)}, port {url.port}")


def check_credential(name: str, url: Url, headers: Mapping[str, str], known: CredentialUses) -> None:
    """Raises `ValueError` with the reason if a task with `url` and `headers` may not name this credential."""
    check_name("credential", name, url, {each: use.hosts for each, use in known.items()})
    use = known[name]
    if use.is_token and not is_private(url):
        raise ValueError("sends a token, which needs https, and the URL is http")
    if twice := next((each for each in headers if each.lower() in use.headers), None):
        raise ValueError(f"sets the header {shown(twice)}, which the task's headers have, too: leave one out")


def is_private(url: Url) -> bool:
    """Whether nobody can overhear a request to `url`, and use its token (RFC 6750 section 5.3)."""
    if url.scheme == "https":
        return True
    return url.host == "localhost" or (url.address is not None and is_loopback(url.address))
