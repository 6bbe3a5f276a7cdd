"""Names of environment variables that resemble ours, such as `TASKRUNNER_RABBIT_ADDR`."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from taskrunner.config.keys import key_names, section_names

PREFIX = "TASKRUNNER_"
# Our variables that are not settings.
OWN_NAMES = ("TASKRUNNER_CONFIG", "TASKRUNNER_API_URL", "TASKRUNNER_API_KEY")
# The servers of the test suite, which every command that a test starts inherits.
_TEST_PREFIX = "TASKRUNNER_TEST_"
# What Kubernetes and Docker links set for a service that is called taskrunner, or taskrunner-api:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
# https://docs.docker.com/engine/network/links/#environment-variables
_INJECTED_NAME = re.compile(
    r".*_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_\w+)?|ENV_\w+)"
)
_INJECTED_VALUE = re.compile(r"(?:tcp|udp|sctp)://.*|/[^/]+/[^/]+")
_FOLDED_PREFIX = "taskrunner"
# How alike a misspelt name is: for what follows the prefix, and for a whole name whose prefix is misspelt.
_ALIKE, _ALIKE_WHOLE = 0.82, 0.93


def near_miss(variable: str, value: str, others: Iterable[str]) -> str | None:
    """The name that was probably meant by a variable that is not read; None for somebody else's variable.

    `others` are the names that are read although they are not settings.
    """
    folded = _folded(variable)
    if variable.startswith(_TEST_PREFIX) or variable in OWN_NAMES or is_injected(variable, value):
        return None
    if not folded.startswith(_FOLDED_PREFIX[:4]):
        return None
    if folded.startswith(_FOLDED_PREFIX):
        rest, cutoff = folded.removeprefix(_FOLDED_PREFIX), _ALIKE
        known = {_folded(name).removeprefix(_FOLDED_PREFIX): name for name in _known(others)}
    else:
        rest, cutoff = folded, _ALIKE_WHOLE
        known = {_folded(name): name for name in _known(others) if name.startswith(PREFIX)}
    close = get_close_matches(rest, known, n=1, cutoff=cutoff)
    return known[close[0]] if close else None


def is_injected(variable: str, value: str) -> bool:
    """Whether a platform sets this variable for a service named taskrunner."""
    name_ends = variable.endswith(("_PORT", "_NAME"))
    return bool(_INJECTED_NAME.fullmatch(variable) or (name_ends and _INJECTED_VALUE.fullmatch(value)))


def _known(others: Iterable[str]) -> Iterable[str]:
    yield from others
    for section in section_names():
        for key in key_names(section):
            yield f"{PREFIX}{section}__{key}".upper()


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
