"""The data of a task as answers show it: without the values of members whose names suggest a secret."""

import json
import re

from taskrunner.domain.masking import MASK, suggests_secret

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
# Each string in turn, so that none is taken for what stands between two others; names have a colon.
_STRINGS = re.compile(rf"({_STRING})(\s*:)?", re.DOTALL)
_TOKENS = re.compile(rf'{_STRING}|[{{}}\[\]:]|[^\s"{{}}\[\]:,]+', re.DOTALL)
_SHOWN = frozenset({"null", "true", "false"})


def masked_data(text: str) -> str:
    """A valid text of JSON with `MASK` for each secret value, of any type; the rest keeps its spelling."""
    names = {name for name, colon in _STRINGS.findall(text) if colon}
    secrets = {name for name in names if suggests_secret(_unescaped(name))}
    if not secrets:
        return text
    parts: list[str] = []
    shown_up_to, name, is_secret, begin, depth = 0, "", False, 0, 0
    for token in _TOKENS.finditer(text):
        each = token[0]
        if not is_secret:
            is_secret, begin, depth = each == ":" and name in secrets, 0, 0
            name = each
            continue
        begin = begin or token.start()
        depth += (each in "{[") - (each in "}]")
        if depth:
            continue
        if each not in _SHOWN:
            parts += (text[shown_up_to:begin], f'"{MASK}"')
            shown_up_to = token.end()
        is_secret, name = False, each
    return "".join((*parts, text[shown_up_to:]))


def _unescaped(name: str) -> str:
    return str(json.loads(name, strict=False)) if "\\" in name else name[1:-1]
