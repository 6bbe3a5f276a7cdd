"""The manifest: which handlers the modules of the user register, read without importing them here.

A separate process imports them, since importing runs code: the event loop must not hang or exit because of
that code, nor hold its memory.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from taskrunner.domain.codec import Decoder
from taskrunner.domain.errors import HandlersInvalid
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.value import Value, field

# A start of Python with pydantic and what a handler may need, on a busy machine.
IMPORT_PATIENCE = 60.0


class HandlerManifest(Value):
    """One handler, as its module declares it; None where it leaves the decision to others."""

    name: str
    place: str
    is_async: bool = False
    description: str | None = None
    schema: Mapping[str, Any] | None = None
    retry: RetryPolicy | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    queue: str | None = None


class Manifest(Value):
    """All handlers, or why they cannot be used."""

    handlers: tuple[HandlerManifest, ...] = ()
    findings: tuple[str, ...] = field(default=())


_MANIFEST: Decoder[Manifest] = Decoder(Manifest)


def read_manifest(modules: Sequence[str], folder: str) -> Manifest:
    """Blocks until the modules are imported. Raises `HandlersInvalid`."""
    names = ", ".join(modules)
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "taskrunner.handlers.python.manifest_program", folder, *modules],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": import_path()},
            timeout=IMPORT_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"did not end within {IMPORT_PATIENCE:g} s: a module does no work while it is imported"
        raise HandlersInvalid.of([f"importing {names} {why}"]) from None
    try:
        manifest = _MANIFEST.decode(done.stdout)
    except ValueError:
        why = f"ended the process (exit code {done.returncode}): see its output above"
        raise HandlersInvalid.of([f"importing {names} {why}"]) from None
    if manifest.findings:
        raise HandlersInvalid.of(manifest.findings)
    return manifest


def import_path() -> str:
    """Our own import path, for a process that is to find the same packages."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)
