"""The cookie of a session of the console: how it is set, read, and kept from pages of others.

A cookie goes along with whatever a page makes the browser send (CSRF). So it never counts for a page of
another origin, not even one in `Api.cors`; and a change needs a header that no page can leave out, and JSON,
which no form can send.
"""

from aiohttp import web

from taskrunner.api.http.client_address import from_other_origin, is_https
from taskrunner.api.http.problems import refuse

# draft-ietf-httpbis-rfc6265bis section 4.1.3.2: no other host and no plain HTTP can set a cookie with this
# prefix.
_NAME, _SECURE_NAME = "taskrunner", "__Host-taskrunner"
_SAFE = frozenset({"GET", "HEAD"})


def session_secret(request: web.Request) -> str | None:
    """The secret of the cookie; None also for two, of which one was set by a stranger."""
    lines = request.headers.getall("Cookie", ())
    if not lines or from_other_origin(request):
        return None
    name = _name(request)
    given = [pair.strip().partition("=") for line in lines for pair in line.split(";")]
    values = [value for found, _, value in given if found == name]
    return values[0] if len(values) == 1 and values[0] else None


def check_change(request: web.Request) -> None:
    """Raises `RequestRefused` for a change that another page might have made the browser send."""
    if request.method in _SAFE:
        return
    # The guard has compared them with our own origin. Every browser of today sends one of them with a change.
    if "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers:
        raise refuse(
            403,
            "cross_site_request",
            "a change with a session needs Origin or Sec-Fetch-Site, as browsers send them; "
            "scripts send an API key instead",
        )
    # https://fetch.spec.whatwg.org/#cors-safelisted-request-header: others have to ask with a preflight.
    if "json" not in request.headers.get("Content-Type", "").partition(";")[0].lower():
        raise refuse(
            415,
            "unsupported_media_type",
            "a change with a session needs Content-Type: application/json, also without a body",
        )


def cookie_header(request: web.Request, secret: str | None) -> tuple[str, str]:
    """`Set-Cookie` with the secret, until the browser is closed; without one, the cookie is removed."""
    secure = "; Secure" if is_https(request) else ""
    end = "" if secret else "; Max-Age=0"
    value = f"{_name(request)}={secret or ''}; Path=/; HttpOnly; SameSite=Strict{secure}{end}"
    return "Set-Cookie", value


def _name(request: web.Request) -> str:
    return _SECURE_NAME if is_https(request) else _NAME
