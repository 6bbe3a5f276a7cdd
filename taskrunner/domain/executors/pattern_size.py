"""The size of a regular expression: how many characters or classes it has once its counts are written out.

An engine without back-tracking takes at most this many steps for each character of a text.
"""

import re

# An escape, a class, a group's beginning or end, a count, or any other character.
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|\{(\d{1,9})(,?)(\d{0,9})\}|.", re.DOTALL)
_FREE = frozenset("|^$*+?)")


def pattern_size(pattern: str) -> int:
    """At least 1. What is not a regular expression has some size, too."""
    groups, last = [0], 0
    for piece in _PIECE.finditer(pattern):
        text = piece[0]
        if text == "(":
            groups.append(0)
            last = 0
            continue
        if text == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif piece[1] is not None:
            most = int(piece[3] or piece[1])
            groups[-1] += last * (max(most, 1) - 1)
            last *= max(most, 1)
        elif text not in _FREE:
            last = 1
            groups[-1] += 1
    return max(1, sum(groups))
