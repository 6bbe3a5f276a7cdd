"""The base of all views, and their encoding for people."""

from typing import Any, Self

import msgspec

from taskrunner.domain.codec import encode
from taskrunner.domain.value import Value


class View(Value, omit_defaults=False, forbid_unknown_fields=True):
    """A JSON object in which every member is present.

    Secrets in headers and URLs are masked when a view is made, so that no user of a view has to.
    """

    @classmethod
    def copy(cls, source: object, /, **made: Any) -> Self:
        """The fields that are not in `made` are the attributes of `source` with the same names."""
        copied = {name: getattr(source, name) for name in cls.__struct_fields__ if name not in made}
        return cls(**copied, **made)


def pretty(view: object) -> bytes:
    """`view` as indented JSON."""
    return msgspec.json.format(encode(view), indent=2)
