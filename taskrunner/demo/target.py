"""An unreliable target: the query of each request says how it misbehaves."""

import asyncio
import random
from collections import Counter

from aiohttp import web

_MAX_SECONDS = 10.0
_DRIP_PAUSE = 0.1


def build_target() -> web.Application:
    """Answers `GET /{anything}` according to these optional parameters.

    `status`: the status of a failure, 503 by default. `probability`: how often a request fails, 0 to 1.
    `times`: how many first requests for a path fail. `delay`: seconds before the response. `drip`: seconds
    over which the body is sent.
    """
    app = web.Application()
    app[_SEEN] = Counter()
    app.router.add_get("/{name:.*}", _answer)
    return app


_SEEN: web.AppKey[Counter[str]] = web.AppKey("seen", Counter[str])


async def _answer(request: web.Request) -> web.StreamResponse:
    seen = request.app[_SEEN]
    seen[request.path] += 1
    query = request.query
    fails = seen[request.path] <= _number(query.get("times"), 1000)
    fails = fails or random.random() < _number(query.get("probability"), 1)
    await asyncio.sleep(_number(query.get("delay"), _MAX_SECONDS))
    status = int(_number(query.get("status", "503"), 599)) if fails else 200
    text = f"{request.path} seen {seen[request.path]} times\n"
    drip = _number(query.get("drip"), _MAX_SECONDS)
    if not drip:
        return web.Response(status=max(status, 200), text=text)
    return await _drip(request, max(status, 200), text.encode(), drip)


async def _drip(request: web.Request, status: int, body: bytes, seconds: float) -> web.StreamResponse:
    response = web.StreamResponse(status=status)
    await response.prepare(request)
    pieces = max(1, round(seconds / _DRIP_PAUSE))
    size = -(-len(body) // pieces)
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        await asyncio.sleep(_DRIP_PAUSE)
    await response.write_eof()
    return response


def _number(text: str | None, limit: float) -> float:
    """A parameter as a number from 0 to `limit`; 0 if missing or not a number."""
    try:
        return min(max(float(text or 0), 0.0), limit)
    except ValueError:
        return 0.0
