"""Pages for people: static HTML files, and the policies that let a browser run nothing else.

Whatever might get into a page from a task is neither run nor fetched.
"""

import base64
import hashlib
import re
from pathlib import Path

from aiohttp import web

from taskrunner.api.responses import raw_response

WEB = Path(__file__).parent / "web"


class HtmlPage:
    """A file of `web/` as a response; read once, when it is made.

    Without a `policy` the one script and the one style that stand in the file are allowed.
    """

    def __init__(self, name: str, policy: str | None = None) -> None:
        text = (WEB / name).read_text(encoding="utf-8")
        self._content = text.encode()
        self._headers = (
            ("Content-Security-Policy", policy or inline_policy(text)),
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


def inline_policy(html: str) -> str:
    """Names script and style by their hashes: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return policy(scripts=_hash_of("script", html), styles=_hash_of("style", html))


def _hash_of(element: str, html: str) -> str:
    (content,) = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
