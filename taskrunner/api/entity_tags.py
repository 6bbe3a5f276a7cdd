"""Entity tags (RFC 9110 8.8.3) and the conditions on them.

A tag is strong: it is made of the bytes of the representation, so that equal tags mean equal answers. Only
routes whose `Operation` is `tagged` take conditions; every other route refuses them.
"""

import hashlib
import re
from typing import Any

from aiohttp import web

from taskrunner.api.problems import refuse
from taskrunner.api.responses import GZIP_SUFFIX, raw_response
from taskrunner.domain.codec import encode
from taskrunner.domain.messages import shown

# RFC 9110 13.1: what a client may want to hold before anything is changed.
_CONDITIONS = ("If-Match", "If-None-Match", "If-Unmodified-Since")
# RFC 9110 8.8.3 and 5.6.1: a list of tags, whose elements may be empty.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t]*(?:{_TAG})?)*[ \t]*")
_ANY = "*"


def tag_of(view: Any) -> str:
    """The tag of the answer that shows `view`."""
    return _tag(encode(view))


class Condition:
    """What `If-Match` demands of the state that a change replaces."""

    def __init__(self, tags: tuple[str, ...] | None) -> None:
        self._tags = tags

    @property
    def is_given(self) -> bool:
        return self._tags is not None

    def check(self, view: Any) -> None:
        """`view` shows the state, None if there is nothing. Raises `RequestRefused` (412)."""
        if self._tags is None:
            return
        # RFC 9110 13.1.1: by the strong comparison, in which no weak tag matches.
        if view is None or not (self._tags == (_ANY,) or tag_of(view) in self._tags):
            raise refuse(
                412,
                "precondition_failed",
                "If-Match: this has changed since it was read; read it again and repeat the change",
            )


def condition_of(request: web.Request) -> Condition:
    """The condition of a change. Raises `RequestRefused` for one that cannot be checked."""
    for name in _CONDITIONS[1:]:
        if name in request.headers:
            raise refuse(412, "precondition_failed", f"{name}: a change takes only If-Match; leave it out")
    return Condition(_tags(request, "If-Match"))


def tagged_response(
    request: web.Request, view: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`view` as JSON with its tag; for a read, 304 if the client has it already. Raises `RequestRefused`."""
    body = encode(view)
    own = (("ETag", _tag(body)), *headers)
    if request.method in {"GET", "HEAD"}:
        Condition(_tags(request, "If-Match")).check(view)
        known = _tags(request, "If-None-Match") or ()
        # RFC 9110 13.1.2: by the weak comparison.
        if known == (_ANY,) or _tag(body) in {tag.removeprefix("W/") for tag in known}:
            response = raw_response(b"", 304, "application/json", own)
            del response.headers["Content-Type"]
            return response
    return raw_response(body, status, "application/json", own)


def refuse_conditions(request: web.Request) -> None:
    """For a route without entity tags. A read that wants anything but nothing is answered in full."""
    reads = request.method in {"GET", "HEAD"}
    for name in _CONDITIONS:
        given = request.headers.get(name)
        if given is None or (reads and (name != "If-Match" or given == _ANY)):
            continue
        raise refuse(
            412,
            "precondition_failed",
            f"{name}: no entity tags here, so the condition cannot be checked; leave the header out",
        )


def _tags(request: web.Request, name: str) -> tuple[str, ...] | None:
    """The tags that a header lists, `("*",)` for any, None where there is no header."""
    given = ",".join(request.headers.getall(name, []))
    if name not in request.headers:
        return None
    if given.strip() == _ANY:
        return (_ANY,)
    if not _LIST.fullmatch(given):
        raise refuse(
            400, "bad_header", f'{name}: must be * or a list of entity tags such as "abc", got {shown(given)}'
        )
    return tuple(tag.replace(f'{GZIP_SUFFIX}"', '"') for tag in re.findall(_TAG, given))


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
