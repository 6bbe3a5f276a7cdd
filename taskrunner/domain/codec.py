"""The codec writes and reads values: JSON for stores, brokers and clients, MessagePack between our processes.

Both forms are derived from the fields of the value; no other module lists them.
"""

import json
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

Type = TypeVar("Type")

_JSON = msgspec.json.Encoder()
_PACKED = msgspec.msgpack.Encoder()


def encode(value: object) -> bytes:
    """`value` as JSON. A lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    try:
        return _JSON.encode(value)
    except UnicodeEncodeError:
        return _JSON.encode(_cleaned(to_plain(value)))


def to_plain(value: object) -> Any:
    """`value` as dictionaries, lists, texts and numbers."""
    return msgspec.to_builtins(value, enc_hook=_of_raw)


def _of_raw(raw: object) -> Any:
    """JSON that is kept as it was spelt."""
    if not isinstance(raw, msgspec.Raw):
        raise NotImplementedError(f"{type(raw).__name__} has no form in JSON")
    return json.loads(bytes(raw))


def pack(value: object) -> bytes:
    """`value` as MessagePack, for another process of the same program version; otherwise like `encode`."""
    try:
        return _PACKED.encode(value)
    except UnicodeEncodeError:
        return _PACKED.encode(_cleaned(msgspec.to_builtins(value, builtin_types=(bytes, datetime))))


class Decoder(Generic[Type]):
    """Reads values of one type. Unknown fields are ignored: a newer version may have written them."""

    def __init__(self, kind: type[Type]) -> None:
        self._json = msgspec.json.Decoder(kind)
        self._packed = msgspec.msgpack.Decoder(kind)

    def decode(self, encoded: bytes) -> Type:
        """The inverse of `encode`. Raises `ValueError` that names the field."""
        return self._json.decode(encoded)

    def unpack(self, packed: bytes) -> Type:
        """The inverse of `pack`."""
        return self._packed.decode(packed)


def storable(text: str) -> str:
    """`text` with each lone surrogate, which UTF-8 cannot hold, replaced by a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _cleaned(plain: Any) -> Any:
    if isinstance(plain, str):
        return storable(plain)
    if isinstance(plain, dict):
        return {name: _cleaned(part) for name, part in plain.items()}
    if isinstance(plain, list | tuple):
        return [_cleaned(part) for part in plain]
    return plain
