"""Pages for people: static HTML files, and the policies that let a browser run nothing else.

Whatever might get into a page from a task is neither run nor fetched.
"""

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from taskrunner.api.http.responses import raw_response

WEB = Path(__file__).parents[1] / "web"


class HtmlPage:
    """A file of `web/` as a response; read when it is made. `replaced` are texts in it, with new ones."""

    def __init__(self, name: str, policy: str, replaced: Mapping[str, str] | None = None) -> None:
        text = (WEB / name).read_text(encoding="utf-8")
        for old, new in (replaced or {}).items():
            text = text.replace(old, new)
        self._content = text.encode()
        self._headers = (
            ("Content-Security-Policy", policy),
            ("Vary", "Accept"),
        )

    def response(self) -> web.Response:
        return raw_response(self._content, 200, "text/html; charset=utf-8", self._headers)


def wants_page(accept: str) -> bool:
    """Whether an `Accept` header asks for HTML by name, as browsers do; `*/*` alone gets the JSON."""
    return any(part.partition(";")[0].strip().lower() == "text/html" for part in accept.split(","))


def policy(*, scripts: str, styles: str, images: str = "'none'") -> str:
    """A policy that allows these sources and requests to this server."""
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src {images}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
