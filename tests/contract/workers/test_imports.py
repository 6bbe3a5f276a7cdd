"""The modules that the processes of a consumer load, since each costs memory."""

import subprocess
import sys

import pytest


def loaded_by(*modules: str) -> set[str]:
    """Top-level names of all modules in a process that imports these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a child with the built-in handler."""
    return loaded_by("taskrunner.consumer.processes.child_main", "taskrunner.handlers.http.handler")


@pytest.mark.parametrize(
    "name", ["pydantic", "pydantic_core", "asyncio", "email", "idna", "ssl", "uuid_utils"]
)
def test_a_worker_process_does_not_load(name: str, loaded: set[str]) -> None:
    """It validates nothing, makes no ids and leaves TLS to libcurl; pydantic was a quarter of its memory."""
    assert "pycurl" in loaded
    assert name not in loaded


def test_the_process_of_the_event_loop_does_not_load_libcurl() -> None:
    assert "pycurl" not in loaded_by("taskrunner.app.consume")
