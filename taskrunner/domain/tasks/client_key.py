"""A client key: an idempotency, dedup or fairness key, as a client chooses it."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from taskrunner.domain.messages import shown

# What a header can say without quotes.
KEY_PATTERN = r"^[\x21\x23-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$"
_KEY = re.compile(KEY_PATTERN.removesuffix("$"))


def check_client_key(text: str) -> str:
    """Raises `ValueError`."""
    if not _KEY.fullmatch(text):
        raise ValueError(
            f"must be 1 to 255 visible ASCII characters, with blanks only inside, got {shown(text)}"
        )
    return text


ClientKey = Annotated[
    str, AfterValidator(check_client_key), Field(json_schema_extra={"pattern": KEY_PATTERN})
]
