"""What the process of the workers loads: there may be several of them, and each pays for it in memory."""

import subprocess
import sys

import pytest

LOADED = "import sys, taskrunner.consumer.crew.host, taskrunner.handlers.http.kit; print(*sys.modules)"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Top-level names of all that the process has, once it was sent the kit of the built-in handler."""
    run = subprocess.run([sys.executable, "-P", "-c", LOADED], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


@pytest.mark.parametrize(
    "name", ["pydantic", "pydantic_core", "asyncio", "email", "idna", "ssl", "uuid_utils"]
)
def test_the_process_of_the_workers_does_without(name: str, loaded: set[str]) -> None:
    """It validates nothing, makes no ids and leaves TLS to libcurl; pydantic was a quarter of its memory."""
    assert "pycurl" in loaded
    assert name not in loaded
