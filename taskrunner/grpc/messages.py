"""Between protocol buffers and the values of the API, field by field of the same name.

Enums are named after the texts that they stand for: `STATUS_QUEUED` of `Status` is `queued`.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from taskrunner.domain.errors import FieldError, FieldsInvalid
from taskrunner.domain.json_text import JsonUnfit, check_depth, elements, join

Kind = TypeVar("Kind", bound=Message)
Setter = Callable[[Any, Any], None]

JSON_SUFFIX = "_json"
_NANOS = 1_000_000_000
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def fields_of(message: Message, refusal: type[FieldsInvalid]) -> dict[str, Any]:
    """The fields that are set, by name, as values for JSON; bytes stay bytes.

    Durations become seconds, times RFC 3339. Raises `refusal` for a time outside the years of RFC 3339.
    """
    return _fields_of(message, refusal, "")


def json_document(fields: Mapping[str, Any], refusal: type[FieldsInvalid]) -> bytes:
    """The JSON object with these fields.

    A field `x_json` becomes the member `x`, byte for byte. Raises `refusal` for a text that is not exactly
    one JSON value, since it could add members.
    """
    members = {}
    for name, value in fields.items():
        if name.endswith(JSON_SUFFIX):
            members[name.removesuffix(JSON_SUFFIX)] = _spelt(name, value, refusal)
        else:
            members[name] = json.dumps(value, ensure_ascii=False)
    return join(members).encode()


def fill(message: Message, source: object) -> None:
    """Set each field of `message` to the attribute of `source` with its name, unless that is None.

    `x_json` gets the text of the attribute `x`, which is a `msgspec.Raw`.
    """
    for name, set_field in _setters(message.DESCRIPTOR):
        value = getattr(source, name.removesuffix(JSON_SUFFIX))
        if value is not None:
            set_field(message, value)


def view_message(kind: type[Kind], view: object) -> Kind:
    """A view as a message that has members of it."""
    message = kind()
    fill(message, view)
    return message


def enum_text(enum: EnumDescriptor, number: int) -> str:
    """The text of an enum value; its number for a value that this version does not know."""
    value = enum.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix(_prefix(enum)).lower()


def _spelt(name: str, text: str, refusal: type[FieldsInvalid]) -> str:
    try:
        check_depth(text.encode())
        count = len(elements(f"[{text}]".encode()))
    except JsonUnfit as exc:
        # Its cause would make it a fault of the whole request.
        raise refusal([FieldError(field=name, message=f"is not JSON: {exc}")]) from None
    if count != 1:
        raise refusal([FieldError(field=name, message="must be one JSON value")])
    return text


def _fields_of(message: Message, refusal: type[FieldsInvalid], path: str) -> dict[str, Any]:
    return {
        field.name: _json(field, value, refusal, path + field.name) for field, value in message.ListFields()
    }


def _json(field: FieldDescriptor, value: Any, refusal: type[FieldsInvalid], path: str) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_single(field, each, refusal, f"{path}.{place}") for place, each in enumerate(value)]
    return _single(field, value, refusal, path)


def _single(field: FieldDescriptor, value: Any, refusal: type[FieldsInvalid], path: str) -> Any:
    if field.enum_type is not None:
        return enum_text(field.enum_type, value)
    if isinstance(value, Duration):
        return value.seconds + value.nanos / _NANOS
    if isinstance(value, Timestamp):
        return _moment(value, refusal, path)
    if isinstance(value, Struct):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Message):
        return _fields_of(value, refusal, f"{path}.")
    return value


def _moment(value: Timestamp, refusal: type[FieldsInvalid], path: str) -> str:
    try:
        return value.ToDatetime(tzinfo=UTC).isoformat()
    except (ValueError, OverflowError) as exc:
        message = f"must be a time of the years 1 to 9999 with 0 to 999,999,999 nanoseconds: {exc}"
        raise refusal([FieldError(field=path, message=message)]) from exc


def _plain(value: Any) -> Any:
    """A value of a Struct, which has no whole numbers of its own."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if hasattr(value, "items"):  # a Struct in a Struct
        return {name: _plain(each) for name, each in value.items()}
    if hasattr(value, "values"):  # a ListValue
        return [_plain(each) for each in value]
    return value


@lru_cache(maxsize=256)
def _setters(kind: Descriptor) -> tuple[tuple[str, Setter], ...]:
    return tuple((field.name, _setter(field)) for field in kind.fields)


def _setter(field: FieldDescriptor) -> Setter:
    name = field.name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return lambda message, value: getattr(message, name).update(value)
    if field.is_repeated:
        return _repeated_setter(field)
    if field.message_type is not None:
        write = _writer(field.message_type)
        return lambda message, value: write(getattr(message, name), value)
    read = _reader(field)
    return lambda message, value: setattr(message, name, read(value))


def _repeated_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    if field.message_type is None:
        read = _reader(field)
        return lambda message, values: getattr(message, name).extend(map(read, values))
    write = _writer(field.message_type)

    def add(message: Any, values: Any) -> None:
        container = getattr(message, name)
        for each in values:
            write(container.add(), each)

    return add


def _writer(kind: Descriptor) -> Setter:
    if kind.full_name == Timestamp.DESCRIPTOR.full_name:
        return lambda message, value: message.FromDatetime(value)
    if kind.full_name == Duration.DESCRIPTOR.full_name:
        return lambda message, value: message.FromNanoseconds(round(value * _NANOS))
    if kind.full_name == Struct.DESCRIPTOR.full_name:
        return lambda message, value: message.update(msgspec.to_builtins(value))

    def write(message: Any, value: Any) -> None:
        message.SetInParent()
        fill(message, value)

    return write


def _reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        prefix, numbers = _prefix(field.enum_type), field.enum_type.values_by_name
        known = {name.removeprefix(prefix).lower(): each.number for name, each in numbers.items()}
        return lambda value: known[str(value)]
    if field.name.endswith(JSON_SUFFIX):
        return lambda value: bytes(value).decode()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: value.encode() if isinstance(value, str) else value
    if field.type == FieldDescriptor.TYPE_STRING:
        return str
    return lambda value: value


@lru_cache(maxsize=64)
def _prefix(enum: EnumDescriptor) -> str:
    return f"{_WORD.sub('_', enum.name).upper()}_"
