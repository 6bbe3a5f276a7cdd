"""The API key of the embedded mode, in a file beside the database: it is the same at the next start."""

import os
from pathlib import Path

from taskrunner.domain.errors import SetupError
from taskrunner.domain.keys.api_key import check_secret, new_secret

FILE_NAME = "taskrunner.key"
# A key has at most 203 characters.
_MOST_BYTES = 1024


def embedded_key(folder: Path) -> str:
    """The key in the file of `folder`, which is made if there is none. Only this user can read the file.

    Raises `SetupError`.
    """
    path = folder / FILE_NAME
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)
    except ValueError as exc:
        raise SetupError(f"{path} {exc}; remove the file, and the next start makes another") from exc
    except OSError as exc:
        raise SetupError(f"cannot read the API key in {path}: {exc.strerror}") from exc


def _read(path: Path) -> str:
    with path.open("rb") as file:
        os.fchmod(file.fileno(), 0o600)
        try:
            return check_secret(file.read(_MOST_BYTES).decode().strip())
        except ValueError:
            raise ValueError("holds no API key") from None


def _make(path: Path) -> None:
    """Complete or not at all: another `dev` may read the file at any time, and this one may be killed."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{new_secret()}\n")
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        return  # another process was faster
    except OSError as exc:
        raise SetupError(
            f"cannot write the API key to {path}: {exc.strerror}: its folder must have space and be "
            "writable for this user, or name another with --data"
        ) from exc
