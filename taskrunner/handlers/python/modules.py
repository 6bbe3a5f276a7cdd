"""Imports the modules of the user, which register handlers while they are imported."""

import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from taskrunner.domain.errors import HandlersInvalid
from taskrunner.domain.masking import masked_text


def import_modules(names: Iterable[str], folder: str) -> None:
    """Import each module; `folder` is searched first, as by `python -m`. Raises `HandlersInvalid`."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    for name in names:
        try:
            import_module(name)
        except BaseException as exc:  # a module may do anything while it is imported, such as exit
            raise HandlersInvalid.of([f"cannot import {name}: {_why(exc, name, folder)}"]) from exc


def _why(exc: BaseException, name: str, folder: str) -> str:
    if "/" in name:
        module = name.removesuffix(".py").strip("./").replace("/", ".")
        return f"it is a path; give the name of the module, as in `import {module}`"
    if isinstance(exc, ModuleNotFoundError):
        return (
            f"no module named {exc.name}; it is looked for in {folder}, then where Python looks (PYTHONPATH)"
        )
    if isinstance(exc, SyntaxError):
        return f"{exc.filename}:{exc.lineno}: {exc.msg}"
    frames = traceback.extract_tb(exc.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{type(exc).__name__}: {masked_text(str(exc))[:500]}"
