"""A command line per test, on a copy of a file that is made once."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.flow.cli.harness import Cli, make_file


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that each test gets a copy of."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(make_file(Cli(folder)))
    return folder


@pytest.fixture
def cli(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path)
