"""Entity tags (RFC 9110 8.8.3) and the conditions on them.

A tag is strong: it is made of the bytes of the representation, so that equal tags mean equal answers.
`fields`, `view` and each coding give other bytes and another tag. `conditional` gives every read its tag and
checks its conditions. A change checks them in one step with the change if its `Operation` is `tagged`; others
refuse them.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from taskrunner.api.http.bytes_response import BytesResponse
from taskrunner.api.http.content_coding import SUFFIXES, coding_for, tag_of_coded, tell_choice
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.responses import json_response
from taskrunner.domain.codec import encode
from taskrunner.domain.messages import shown
from taskrunner.producer.change_check import Check, Known

# RFC 9110 13.1: what a client may want to hold before anything is changed.
CONDITIONS = ("If-Match", "If-None-Match", "If-Unmodified-Since")
# RFC 9110 8.8.3 and 5.6.1: a list of tags, whose elements may be empty.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t]*(?:{_TAG})?)*[ \t]*")
_ANY = "*"
READS = frozenset({"GET", "HEAD"})
# Of the content, which a 304 does not have.
_OF_CONTENT = frozenset({"Content-Type", "Content-Length"})
# Hashing more takes longer than the loop's other clients should wait: 0.3 ms.
_LARGE_BYTES = 256 * 1024


class Condition:
    """What `If-Match` and `If-None-Match` demand: each lists tags, `*` alone for any, or is None."""

    def __init__(self, wanted: tuple[str, ...] | None, known: tuple[str, ...] | None) -> None:
        self._wanted = wanted
        self._known = known

    @property
    def is_given(self) -> bool:
        return self._wanted is not None or self._known is not None

    def is_wanted(self, tag: str | None) -> bool:
        """Whether `If-Match` holds (RFC 9110 13.1.1): by the strong comparison, in which no weak tag matches.

        `tag` is None where there is nothing.
        """
        return self._wanted is None or (tag is not None and (self._wanted == (_ANY,) or tag in self._wanted))

    def is_new(self, tag: str | None) -> bool:
        """Whether `If-None-Match` holds (RFC 9110 13.1.2): by the weak comparison."""
        if self._known is None or tag is None:
            return True
        return self._known != (_ANY,) and tag not in {known.removeprefix("W/") for known in self._known}

    def check(self, view: Any) -> None:
        """For a change: `view` shows the state, None if there is nothing. Raises `RequestRefused` (412)."""
        if not self.is_given:
            return
        tag = None if view is None else _tag(encode(view))
        # In this order: RFC 9110 13.2.2.
        if not self.is_wanted(tag):
            raise _failed("If-Match: this has changed since it was read; read it again and repeat the change")
        if not self.is_new(tag):
            raise _failed("If-None-Match: this is there already; read it, and change it with If-Match")


def condition_of(request: web.Request) -> Condition:
    """The condition of a change. Raises `RequestRefused` for one that cannot be checked."""
    if "If-Unmodified-Since" in request.headers:
        raise _failed("If-Unmodified-Since: there are no dates here, only entity tags; send If-Match")
    # Each coding of the same state has a tag of its own, and all of them name the state.
    wanted, known = (_without_codings(_tags(request, name)) for name in CONDITIONS[:2])
    return Condition(wanted, known)


def check_of(request: web.Request, view: Callable[[Known], object]) -> Check[Known]:
    """The condition of a change, as a check of the state that it replaces, which `view` shows."""
    condition = condition_of(request)
    return lambda known: condition.check(None if known is None else view(known))


def tagged_response(
    view: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """For a change: the new state as JSON with its tag."""
    return json_response(view, status=status, headers=(("ETag", _tag(encode(view))), *headers))


async def conditional(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """The answer to a read with its tag; 304 if the client has it already. Raises `RequestRefused` (412)."""
    # RFC 9110 13.2.1: conditions are for what would be a success.
    if not isinstance(response, BytesResponse) or response.status != 200:
        return response
    body = response.body if isinstance(response.body, bytes) else b""
    plain = await asyncio.to_thread(_tag, body) if len(body) > _LARGE_BYTES else _tag(body)
    coding = coding_for(request, response)
    tag = tag_of_coded(plain, coding)
    condition = Condition(_tags(request, "If-Match"), _tags(request, "If-None-Match"))
    if not condition.is_wanted(tag):
        raise _failed("If-Match: this has changed since it was read; read it again")
    if condition.is_new(tag):
        response.headers["ETag"] = plain
        return response
    # RFC 9110 15.4.5: what a 200 would say of the representation, for the cache.
    tell_choice(response, coding)
    kept = [(name, value) for name, value in response.headers.items() if name not in _OF_CONTENT]
    return web.Response(status=304, headers=[*kept, ("ETag", tag)])


def refuse_conditions(request: web.Request) -> None:
    """For a change that cannot check conditions in one step with the change, and for a stream.

    A read that wants anything but what the client has is answered in full.
    """
    reads = request.method in READS
    for name in CONDITIONS:
        given = request.headers.get(name)
        if given is None or (reads and (name != "If-Match" or given == _ANY)):
            continue
        raise _failed(f"{name}: cannot be checked here in one step with the answer; leave the header out")


def _failed(detail: str) -> Exception:
    return refuse(412, "precondition_failed", detail)


def _tags(request: web.BaseRequest, name: str) -> tuple[str, ...] | None:
    """The tags that a header lists, `("*",)` for any, None where there is no header."""
    if name not in request.headers:
        return None
    given = ",".join(request.headers.getall(name))
    if given.strip(" \t") == _ANY:
        return (_ANY,)
    if not _LIST.fullmatch(given):
        raise refuse(
            400, "bad_header", f'{name}: must be * or a list of entity tags such as "abc", got {shown(given)}'
        )
    return tuple(re.findall(_TAG, given))


def _without_codings(tags: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if tags is None:
        return None
    found = []
    for tag in tags:
        suffix = next((each for each in SUFFIXES if tag.endswith(f'{each}"')), "")
        found.append(f'{tag[: -len(suffix) - 1]}"' if suffix else tag)
    return tuple(found)


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
