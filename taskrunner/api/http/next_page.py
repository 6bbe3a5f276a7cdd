"""The link from a page of a list to the next one."""

from urllib.parse import urlencode

from aiohttp import web

from taskrunner.api.http.parameters import CURSOR


def next_page(request: web.Request, cursor: str | None) -> tuple[tuple[str, str], ...]:
    """The header `Link` (RFC 8288) of an answer, unless it is the last page.

    The target is relative to the URL that the client asked for (RFC 3986 5.2.2: only the query differs), so
    it is right behind any proxy.
    """
    if cursor is None:
        return ()
    asked = [(name, value) for name, value in request.query.items() if name != CURSOR.name]
    return (("Link", f'<?{urlencode([*asked, (CURSOR.name, cursor)])}>; rel="next"'),)
