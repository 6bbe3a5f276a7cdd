"""A command without a configured store is told how to get one."""

import pytest

from taskrunner.app.default_store import HINT, default_store_explained
from taskrunner.config import load
from taskrunner.domain.errors import StoreUnavailable, WriteUnconfirmed


@pytest.mark.parametrize(
    ("environ", "error", "hinted"),
    [
        ({}, StoreUnavailable("away"), True),
        ({}, WriteUnconfirmed("away"), False),
        ({"REDIS_URL": "redis://10.0.0.1"}, StoreUnavailable("away"), False),
        ({"TASKRUNNER_STORE__URL": "sqlite:////tmp/a.db"}, StoreUnavailable("away"), False),
    ],
)
async def test_the_hint_is_for_the_default_store(
    environ: dict[str, str], error: StoreUnavailable, *, hinted: bool
) -> None:
    """Whoever has configured a store knows where it is; a write that was taken is something else."""
    config = load(None, environ=environ, search=False)
    with pytest.raises(type(error)) as told:
        async with default_store_explained(config):
            raise error
    assert str(told.value) == (f"away; {HINT}" if hinted else "away")
