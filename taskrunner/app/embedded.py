"""The embedded mode's configuration: a memory broker and a SQLite file in a folder, on loopback."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from taskrunner.config import Config, load
from taskrunner.domain.errors import StoreUnfit

FILE_NAME = "taskrunner.db"
ADDRESS = "127.0.0.1"


def embedded_config(
    data: Path,
    *,
    settings: Mapping[str, object],
    config_path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, object] | None = None,
    fixed: Mapping[str, object] | None = None,
) -> Config:
    """The configuration for the folder `data`. Raises `ConfigInvalid`.

    `settings` are given by name (`Api.port`), and so are `defaults`, which count unless the file or the
    environment says otherwise, and `fixed`, which always count. Only the file `config_path` is read, if there
    is one.
    """
    own: dict[str, object] = {
        "Rabbit.addr": "memory://",
        "Store.url": store_url((data / FILE_NAME).absolute()),
        "Api.addr": ADDRESS,
        "Grpc.addr": ADDRESS,
    }
    own = {name: value for name, value in own.items() if settings.get(name) is None} | dict(fixed or {})
    return load(config_path, flags=settings, environ=environ, search=False, defaults=defaults, fixed=own)


def make_folder(data: Path) -> None:
    """Create the folder, unless it is there. Raises `StoreUnfit`."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreUnfit(
            f"cannot create the folder {data}: {exc.strerror}; name another with --data"
        ) from exc


def store_url(file: Path) -> str:
    """The `Store.url` of a SQLite file, which is given by its absolute path."""
    return f"sqlite:///{quote(str(file))}"
