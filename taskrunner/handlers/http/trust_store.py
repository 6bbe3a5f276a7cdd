"""Whom a fetch trusts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """A folder or a file of certificates (PEM); neither means what libcurl was built with."""

    folder: str | None = None
    file: str | None = None
