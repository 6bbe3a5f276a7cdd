"""How messages show values and names: short, without secrets, with a proposal for a misspelt name."""

from collections.abc import Iterable
from difflib import get_close_matches

from taskrunner.domain.masking import mask_user_info, masked_url

_SHOWN_CHARS = 60
# Whoever sent JSON or YAML does not know Python's.
_JSON_WORDS = {None: "null", True: "true", False: "false"}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean "…"?` for the closest known name, else an empty string."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f', did you mean "{by_folded[close[0]]}"?' if close else ""


def shown(value: object) -> str:
    """`value` as an error message may show it: short, on one line, without the secrets of a URL."""
    if value is None or isinstance(value, bool):
        return _JSON_WORDS[value]
    text = repr(masked_url(mask_user_info(value)) if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def any_case(words: Iterable[str]) -> str:
    """An alternative of a regular expression: these words, in capital or small letters."""
    return "|".join(
        "".join(f"[{each.upper()}{each.lower()}]" if each.isalpha() else each for each in word)
        for word in words
    )
