"""The ids of events: places in the log, sealed. A place tells how much others have done since the last one.

Only a process that knows the secret of the log can make or read an id; two ids of the same place differ.
"""

import hmac
import re
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from taskrunner.domain.messages import shown
from taskrunner.domain.tasks.change import ChangeId

_PLACE = struct.Struct(">QQ")
_NONCE_BYTES = 8
_TAG_BYTES = 8
# No rest in base64, so no padding.
_BYTES = _NONCE_BYTES + _PLACE.size + _TAG_BYTES + 1
_VERSION = b"\x01"
EVENT_ID_LENGTH = _BYTES * 4 // 3
# Base64 of that version, and of any other bytes.
EVENT_ID_PATTERN = f"^A[Q-Za-f][A-Za-z0-9_-]{{{EVENT_ID_LENGTH - 2}}}$"
_EVENT_ID = re.compile(EVENT_ID_PATTERN)


def seal(place: ChangeId, secret: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    hidden = _VERSION + nonce + _masked(_PLACE.pack(*place), nonce, secret)
    return urlsafe_b64encode(hidden + _tag(hidden, secret)).decode()


def unseal(event_id: str, secret: bytes) -> ChangeId | None:
    """The place of an id that `read_event_id` accepted; None if it belongs to another log."""
    sealed = urlsafe_b64decode(event_id)
    hidden, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(hidden, secret)):
        return None
    nonce, masked = hidden[1 : 1 + _NONCE_BYTES], hidden[1 + _NONCE_BYTES :]
    return ChangeId(*_PLACE.unpack(_masked(masked, nonce, secret)))


def read_event_id(text: str) -> str:
    """An id. Raises `ValueError` for what this API never gave out."""
    if not _EVENT_ID.fullmatch(text):
        raise ValueError(f"must be the id of an event of this API, as AQ..., got {shown(text)}")
    return text


def _masked(content: bytes, nonce: bytes, secret: bytes) -> bytes:
    pad = blake2b(nonce, key=secret, digest_size=len(content), person=b"event id").digest()
    return bytes(a ^ b for a, b in zip(content, pad, strict=True))


def _tag(hidden: bytes, secret: bytes) -> bytes:
    return blake2b(hidden, key=secret, digest_size=_TAG_BYTES, person=b"event id tag").digest()
