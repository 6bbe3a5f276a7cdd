"""What all sections are: closed, immutable, and silent about their secrets."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from taskrunner.config.values import Secret
from taskrunner.domain.masking import masked_setting

KIB = 1024
MIB = 1024 * 1024
DAY = 86_400.0


class Section(BaseModel):
    """The base of all sections: immutable, closed, and silent about the values it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def redacted(self) -> dict[str, Any]:
        """Every setting by its name, as JSON values, secrets masked."""
        values = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            if any(isinstance(mark, Secret) for mark in field.metadata):
                values[name] = masked_setting(values[name])
        return values
