"""The embedded mode's configuration: a memory broker and a SQLite file in a folder, on loopback."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from taskrunner.config import Config, load
from taskrunner.domain.errors import StoreUnfit

FILE_NAME = "taskrunner.db"
ADDRESS = "127.0.0.1"


def embedded(
    data: Path,
    *,
    settings: Mapping[str, object],
    config_path: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """The configuration for the folder `data`, which is made. Raises `ConfigInvalid`, `StoreUnfit`.

    `settings` go by name (`Api.port`). No file is read but `config_path`.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreUnfit(f"cannot make the folder {data}: {exc.strerror}; name another by --data") from exc
    flags = {
        "Rabbit.addr": "memory://",
        "Store.url": store_url((data / FILE_NAME).absolute()),
        "Api.addr": ADDRESS,
        **settings,
    }
    return load(config_path, flags=flags, environ=environ, search=False)


def store_url(file: Path) -> str:
    """What `Store.url` says for a SQLite file, given by its absolute path."""
    return f"sqlite:///{quote(str(file))}"
