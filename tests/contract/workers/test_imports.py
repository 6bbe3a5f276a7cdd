"""What the processes of a consumer load: each pays for it in memory."""

import subprocess
import sys

import pytest


def loaded_by(*modules: str) -> set[str]:
    """Top-level names of all that a process has that imports these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Once it has started the factory of the built-in handler."""
    return loaded_by("taskrunner.consumer.processes.child_main", "taskrunner.handlers.http.fetchers")


@pytest.mark.parametrize(
    "name", ["pydantic", "pydantic_core", "asyncio", "email", "idna", "ssl", "uuid_utils"]
)
def test_the_process_of_the_workers_does_without(name: str, loaded: set[str]) -> None:
    """It validates nothing, makes no ids and leaves TLS to libcurl; pydantic was a quarter of its memory."""
    assert "pycurl" in loaded
    assert name not in loaded


def test_the_process_of_the_event_loop_does_without_libcurl() -> None:
    assert "pycurl" not in loaded_by("taskrunner.app.consume")
