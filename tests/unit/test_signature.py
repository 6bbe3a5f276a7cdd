"""Standard Webhooks 1.0: our signatures are those of its published vectors."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from taskrunner.domain.targets.signature import read_secret, sign

CASES = json.loads((Path(__file__).parents[1] / "data/standard_webhooks.json").read_text())
VECTORS = [case for case in CASES["public_vectors"] if "secret" in case] + CASES["derived_vectors"]
SECRET = VECTORS[0]["secret"]


def content_of(case: dict[str, Any]) -> bytes:
    if "payload_base64" in case:
        return base64.b64decode(case["payload_base64"])
    return str(case["payload"]).encode()


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_a_vector_is_met(case: dict[str, Any]) -> None:
    assert sign([case["secret"]], case["msg_id"], case["timestamp"], content_of(case)) == case["signature"]


def test_while_secrets_rotate_both_sign() -> None:
    """A receiver takes any of them, so it can change over at any moment."""
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    both = sign([SECRET, other], "msg", 1, b"x")
    assert both.split(" ") == [sign([SECRET], "msg", 1, b"x"), sign([other], "msg", 1, b"x")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        "whsk_" + SECRET.removeprefix("whsec_"),
        "whsec_not base64!",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_without_being_told(text: str) -> None:
    """The message may end in a log."""
    with pytest.raises(ValueError, match=r"secret|whsec_") as caught:
        read_secret(text)
    assert len(text) < 10 or text not in str(caught.value)
