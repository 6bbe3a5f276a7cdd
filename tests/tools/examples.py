"""How many examples property tests try: see the profiles in tests/conftest.py."""

from hypothesis import settings


def share(part: float) -> int:
    """That part of the examples of the profile, for a test whose examples take long each."""
    return max(1, int(settings().max_examples * part))
