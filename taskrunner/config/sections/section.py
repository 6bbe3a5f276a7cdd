"""What all sections have in common."""

from inspect import signature
from typing import Any, TypeVar

from msgspec.structs import asdict
from pydantic import BaseModel, ConfigDict

from taskrunner.config.values import Secret
from taskrunner.domain.masking import masked_setting

KIB = 1024
MIB = 1024 * 1024
DAY = 86_400.0

Settings = TypeVar("Settings")


class Section(BaseModel):
    """The base of all sections: immutable, closed, and silent about the values that it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def settings(self, kind: type[Settings], **others: Any) -> Settings:
        """`kind` with `others`, and with the values of this section whose names its fields have."""
        names = type(self).model_fields.keys() & signature(kind).parameters.keys()
        return kind(**{name: getattr(self, name) for name in names} | others)

    def redacted(self) -> dict[str, Any]:
        """Every setting by its name, as JSON values, with secrets masked."""
        values = self.model_dump(mode="json", fallback=asdict)
        for name, field in type(self).model_fields.items():
            if any(isinstance(mark, Secret) for mark in field.metadata):
                values[name] = masked_setting(values[name])
        return values
