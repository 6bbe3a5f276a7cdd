"""The page for people: one static file, and the policy that lets a browser run nothing else.

Its script and style stand in the file; the policy names them by their hashes, so that whatever might get into
the page from a task is neither run nor fetched.
"""

import base64
import hashlib
import re
from pathlib import Path

from aiohttp import web

from taskrunner.api.responses import raw_response

_FILE = Path(__file__).parent / "web" / "index.html"


class Page:
    """The page as a response; read and hashed once, when it is made."""

    def __init__(self) -> None:
        text = _FILE.read_text(encoding="utf-8")
        self._content = text.encode()
        self._headers = (
            ("Content-Security-Policy", policy(text)),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Vary", "Accept"),
        )

    def response(self) -> web.Response:
        return raw_response(self._content, 200, "text/html; charset=utf-8", self._headers)


def wants_page(accept: str) -> bool:
    """Whether an `Accept` header asks for HTML by name, as browsers do; `*/*` alone gets the JSON."""
    return any(part.partition(";")[0].strip().lower() == "text/html" for part in accept.split(","))


def policy(html: str) -> str:
    """https://www.w3.org/TR/CSP3/#grammardef-hash-source, of the one script and the one style of `html`."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash_of('script', html)}",
            f"style-src {_hash_of('style', html)}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hash_of(element: str, html: str) -> str:
    (content,) = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return hash_of(content)


def hash_of(content: str) -> str:
    """How a policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
