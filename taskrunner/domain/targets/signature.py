"""Callback signatures by Standard Webhooks 1.0: the receiver can check the origin and the time.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable

PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64


def read_secret(text: str) -> bytes:
    """The key of a secret such as `whsec_MfKQ…`. Raises `ValueError` that does not contain the secret."""
    if not text.startswith(PREFIX):
        raise ValueError(f"a secret must begin with {PREFIX}")
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"what follows {PREFIX} must be base64") from None
    if not _MIN_BYTES <= len(key) <= _MAX_BYTES:
        raise ValueError(f"a secret must be {_MIN_BYTES} to {_MAX_BYTES} random bytes in base64")
    return key


def sign(secrets: Iterable[str], message_id: str, timestamp: int, content: bytes) -> str:
    """The value of `webhook-signature`: one signature per secret; the receiver accepts any of them."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, content)
    return " ".join(_signature(read_secret(secret), signed) for secret in secrets)


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()
