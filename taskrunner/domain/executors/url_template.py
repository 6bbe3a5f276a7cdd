"""The URL template of an executor: `{placeholders}` in path and query, which the data of a task fills.

A value is percent-encoded in full (RFC 6570 section 3.2.2, simple expansion), so that it stays one segment of
the path or one value of the query; scheme, host and port are those of the template whatever the data holds.
"""

import json
import re
from typing import Any
from urllib.parse import quote

from taskrunner.domain.messages import shown
from taskrunner.domain.targets.url import ORIGIN_PATTERN, Url
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.task_limits import TaskLimits

MAX_PLACEHOLDERS = 50
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# Scheme and authority; a placeholder in them would be no part of the rest.
_ORIGIN = re.compile(r"[^{}/?#]*//[^{}/?#]*")
# For JSON Schema, in ECMA 262, as `URL_PATTERN`.
_FILLED = rf"\{{{_NAME.pattern}\}}"
TEMPLATE_PATTERN = (
    rf"^{ORIGIN_PATTERN}(?:/(?:[!\"$-\[\]-z|~]|{_FILLED})*"
    rf"|\?(?:(?:[!\"$->@-\[\]-z|~]|{_FILLED})(?:[!\"$-\[\]-z|~]|{_FILLED})*)?)?(?:#[!-\[\]-z|~]*)?$"
)
_SEGMENT = re.compile(r"[^/]*")
# As a server may read it: RFC 3986 section 6.2.2.2 lets it decode what need not be encoded.
_DOT = re.compile(r"(?:\.|%2[Ee]){1,2}")
_SAMPLE = "x"


class _Number(str):
    """A number as it was spelt."""

    __slots__ = ()


def check_template(text: str, limits: TaskLimits) -> Url:
    """The URL that a template makes, with some data. Raises `ValueError` for a text that is no template."""
    origin = _ORIGIN.match(text)
    rest = text[origin.end() :] if origin else text
    if origin is None or (rest and rest[0] not in "/?#"):
        raise ValueError("may have placeholders only in its path and its query, after the host")
    if "{" in rest.partition("#")[2]:
        raise ValueError("may have no placeholder after #, which is never sent")
    names = _PLACEHOLDER.findall(rest)
    if len(names) > MAX_PLACEHOLDERS:
        raise ValueError(f"has {len(names)} placeholders, at most {MAX_PLACEHOLDERS} are allowed")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"has the placeholder {shown(name)}; a name is letters, digits, _ and -, with dots"
            )
    sample = _PLACEHOLDER.sub(_SAMPLE, text)
    if "{" in sample or "}" in sample:
        raise ValueError("has a brace that is not a placeholder; percent-encode it as %7B or %7D")
    return task_fields.check_url(sample, limits)


def fill(template: str, data: str | None, limits: TaskLimits) -> Url:
    """The URL of a task with this data, a text of JSON. Raises `ValueError` with the reason."""
    if "{" not in template:
        return task_fields.check_url(template, limits)
    members = json.loads(data or "null", parse_int=_Number, parse_float=_Number)
    text = _PLACEHOLDER.sub(lambda match: quote(_text(members, match[1]), safe=""), template)
    url = task_fields.check_url(text, limits)
    _check_segments(template, text)
    return url


def _text(members: Any, name: str) -> str:
    found = members
    for step in name.split("."):
        if not isinstance(found, dict) or step not in found:
            raise ValueError(f"needs {name} in data, which the executor's URL names")
        found = found[step]
    if isinstance(found, bool):
        return "true" if found else "false"
    if not isinstance(found, str):
        raise ValueError(f"needs text, a number, true or false as {name} in data, for the executor's URL")
    try:
        found.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"has a lone surrogate in {name}, which no URL can hold") from exc
    return found


def _check_segments(template: str, text: str) -> None:
    """Raises `ValueError` for a segment that would make the path another one."""
    before = _SEGMENT.findall(_path(template))
    for had, has in zip(before, _SEGMENT.findall(_path(text)), strict=True):
        if "{" in had and (not has or _DOT.fullmatch(has)):
            raise ValueError(
                f"would have {shown(has)} as the segment {had} of its path, which leads elsewhere"
            )


def _path(url: str) -> str:
    return url.partition("?")[0].partition("#")[0]
