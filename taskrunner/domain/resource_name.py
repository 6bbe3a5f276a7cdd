"""The name of a schedule or a webhook."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from taskrunner.domain.messages import shown

# Shorter than a task id: the ids of a schedule's tasks begin with its name.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_resource_name(text: str) -> str:
    """Raises `ValueError`."""
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError(f"must be 1 to 64 letters, digits or ._-, got {shown(text)}")
    return text


ResourceName = Annotated[
    str,
    AfterValidator(check_resource_name),
    Field(json_schema_extra={"pattern": f"^{NAME_PATTERN.pattern}$"}),
]
