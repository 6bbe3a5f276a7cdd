"""The program that imports the modules of the user and prints their manifest, as JSON, on its first output.

Started as `python -m taskrunner.handlers.python.manifest_program FOLDER MODULE...` by `read_manifest`.
"""

import os
import sys
from collections.abc import Sequence

from taskrunner.domain.codec import encode
from taskrunner.domain.errors import HandlersInvalid
from taskrunner.handlers.python.definition import HandlerDefinition
from taskrunner.handlers.python.findings import findings_of
from taskrunner.handlers.python.manifest import HandlerManifest, Manifest
from taskrunner.handlers.python.modules import import_modules
from taskrunner.handlers.python.registry import REGISTRY, Registry


def manifest_of(registry: Registry, modules: Sequence[str]) -> Manifest:
    """What was registered while `modules` were imported."""
    findings = [str(finding) for finding in findings_of(registry)]
    if not registry.definitions:
        hint = "decorate a function with @handler, or call register()"
        findings.append(f"{', '.join(modules)}: no handler is registered; {hint}")
    if findings:
        return Manifest(findings=tuple(findings))
    return Manifest(handlers=tuple(_described(each) for each in registry.definitions))


def _described(definition: HandlerDefinition) -> HandlerManifest:
    retry = definition.retry
    return HandlerManifest(
        name=_plain(definition.name),
        place=definition.place,
        is_async=definition.is_async,
        description=None if definition.summary is None else _plain(definition.summary),
        schema=definition.handler_schema.json_schema,
        retry=None if retry is None else retry.policy(),
        max_attempts=None if retry is None else retry.attempts,
        timeout=None if definition.timeout is None else float(definition.timeout),
        queue=None if definition.queue is None else _plain(definition.queue),
    )


def _plain(text: str) -> str:
    """Of a subclass of str, such as a member of an enum, its value."""
    return str.__str__(text)


def main(folder: str, modules: Sequence[str]) -> None:
    # What a module prints while it is imported must not get among the JSON.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        import_modules(modules, folder)
    except HandlersInvalid as exc:
        manifest = Manifest(findings=tuple(map(str, exc.errors)))
    else:
        manifest = manifest_of(REGISTRY, modules)
    with os.fdopen(answer, "wb") as out:
        out.write(encode(manifest))
    # Threads that a module has started must not keep this process alive.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
