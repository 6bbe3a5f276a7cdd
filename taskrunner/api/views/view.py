"""The base of all views, and their encoding for people."""

import msgspec

from taskrunner.domain.codec import encode
from taskrunner.domain.value import Value


class View(Value, omit_defaults=False, forbid_unknown_fields=True):
    """A JSON object in which every member is present.

    Secrets in headers and URLs are masked when a view is made, so that no user of a view has to.
    """


def pretty(view: object) -> bytes:
    """`view` as indented JSON."""
    return msgspec.json.format(encode(view), indent=2)
