"""Values: immutable records, compared by their fields.

A value is declared once, as fields with types. JSON, the form between our processes and the OpenAPI document
are derived from that declaration; see `codec` and docs/decisions/values.md.
"""

from typing import Any, dataclass_transform, get_type_hints

import msgspec
from msgspec import field as field
from msgspec.structs import replace as replace


class _ValueMeta(msgspec.StructMeta):
    """Makes every subclass keyword-only; msgspec itself does not inherit `kw_only`."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> "_ValueMeta":
        return super().__new__(mcls, name, bases, namespace, kw_only=True, **options)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Value(msgspec.Struct, metaclass=_ValueMeta, frozen=True, omit_defaults=True):
    """The base of all values. Fields that have their default value are not written."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, make: Any) -> dict[str, Any]:
        """How pydantic checks a value that is part of a request: strictly, with all findings at once.

        Its schemas are plain dictionaries, so this module can be loaded without pydantic:
        https://docs.pydantic.dev/latest/concepts/types/#customizing-validation-with-__get_pydantic_core_schema__
        """
        hints = get_type_hints(cls, include_extras=True)
        fields = {
            each.name: {
                "type": "typed-dict-field",
                "schema": make.generate_schema(hints[each.name]),
                "required": each.required,
            }
            for each in msgspec.structs.fields(cls)
        }
        read = {
            "type": "typed-dict",
            "fields": fields,
            "config": {"strict": True, "extra_fields_behavior": "forbid"},
            "extra_behavior": "forbid",
        }
        parsed = {
            "type": "function-after",
            "function": {"type": "no-info", "function": lambda given: cls(**given)},
            "schema": read,
        }
        given = {"type": "union", "choices": [{"type": "is-instance", "cls": cls}, parsed]}
        return {"type": "json-or-python", "json_schema": parsed, "python_schema": given}
