"""Where the system's trusted certificates are: the environment goes first, then a hashed folder, then a
bundle.
"""

from pathlib import Path

import pytest

from taskrunner.handlers.http.settings import TrustStore
from taskrunner.handlers.http.system_trust import find_system_trust


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the environment names."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return tmp_path


def test_a_hashed_folder_is_used(folder: Path) -> None:
    """OpenSSL then reads only the certificates that it needs."""
    (folder / "0a1b2c3d.0").touch()
    assert find_system_trust() == TrustStore(folder=str(folder))


def test_an_unhashed_folder_is_not_used(folder: Path) -> None:
    """OpenSSL would find nothing in it."""
    (folder / "ca.pem").touch()
    assert find_system_trust().folder is None


def test_a_bundle_in_the_environment_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins over a hashed folder: somebody chose it."""
    (folder / "0a1b2c3d.0").touch()
    bundle = folder / "bundle.pem"
    bundle.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert find_system_trust() == TrustStore(file=str(bundle))
