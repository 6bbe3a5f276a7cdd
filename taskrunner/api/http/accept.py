"""What a client accepts: the weights in `Accept` and `Accept-Encoding` (RFC 9110 12.4.2, 12.5.1, 12.5.3)."""

import re
from collections.abc import Mapping, Sequence

_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
NDJSON = "application/x-ndjson"
_JSON = "application/json"


def weights(accepted: str) -> Mapping[str, float]:
    """The weight of each name in a header, in lower case; 0, which means not acceptable, for a wrong weight.

    Other parameters of a media type are left out.
    """
    found: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        if name:
            found[name] = _weight(parameters)
    return found


def wants_lines(accepted: str) -> bool:
    """Whether a client wants lines of JSON (NDJSON), by that name, rather than a JSON document."""
    given = weights(accepted)
    lines = given.get(NDJSON, 0.0)
    document = next((given[name] for name in (_JSON, "application/*", "*/*") if name in given), 0.0)
    return lines > document or (lines == document > 0 and _JSON not in given)


def _weight(parameters: Sequence[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name.strip() == "q":
            return float(value) if _WEIGHT.fullmatch(value.strip()) else 0.0
    return 1.0
