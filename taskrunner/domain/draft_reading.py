"""Reads drafts: JSON objects that clients send, with one error that has all findings."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from taskrunner.domain.errors import FieldError, FieldsInvalid
from taskrunner.domain.json_text import JsonUnfit, decode, members
from taskrunner.domain.validation import field_errors

Draft = TypeVar("Draft", bound=BaseModel)


def draft_from_json(
    kind: type[Draft], raw: bytes, invalid: type[FieldsInvalid], context: object = None
) -> Draft:
    """Parse one JSON object. Raises `invalid`; so it does for a member that is given twice."""
    try:
        text = decode(raw)
        members(text)
        return kind.model_validate_json(text, context=context)
    except JsonUnfit as exc:
        raise invalid([FieldError(field=exc.path, message=exc.reason)]) from exc
    except ValidationError as exc:
        raise invalid(field_errors(exc, kind.model_fields)) from exc


def draft_from_fields(kind: type[Draft], fields: Mapping[str, object], invalid: type[FieldsInvalid]) -> Draft:
    """The same from Python values."""
    try:
        return kind.model_validate(fields)
    except ValidationError as exc:
        raise invalid(field_errors(exc, kind.model_fields)) from exc
