"""`Fetch.tls`: profiles from every source, and files that cannot be used told by key and path."""

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from taskrunner.config import Config, load
from taskrunner.config.tls_profiles import read_key_passwords
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.targets.tls_profile import TlsProfile


def load_text(folder: Path, text: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load(environ={}, folder=folder)


def finding(folder: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load_text(folder, f"Fetch: {{tls: {text}}}")
    return str(caught.value)


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a certificate, its key in several forms, and a foreign key."""
    folder = tmp_path_factory.mktemp("pems")
    authority = trustme.CA()
    cert, other = authority.issue_cert("client"), authority.issue_cert("other")
    key = serialization.load_pem_private_key(cert.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"s3cret-pw"),
    )
    files = {
        "ca.pem": authority.cert_pem.bytes(),
        "cert.pem": cert.cert_chain_pems[0].bytes(),
        "key.pem": cert.private_key_pem.bytes(),
        "both.pem": cert.private_key_and_cert_chain_pem.bytes(),
        "locked.pem": locked,
        "other.pem": other.private_key_pem.bytes(),
        "password": b"s3cret-pw\n",
        "wrong": b"wr0ng-pw",
        "junk.pem": b"junk",
        "empty": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("[2001:DB8:0::1]:443", "[2001:db8::1]:443"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
    ],
)
def test_hosts_are_spelt_as_those_of_urls(tmp_path: Path, written: str, spelt: str) -> None:
    """Else the profile would be for nobody."""
    config = load_text(tmp_path, f"Fetch: {{tls: {{a: {{ca_file: ca.pem, hosts: ['{written}']}}}}}}\n")
    assert config.fetch.tls["a"].hosts == (spelt,)


def test_the_file_names_profiles(tmp_path: Path) -> None:
    """In any spelling of the keys; what they name is relative to the file, hosts are one or several."""
    config = load_text(
        tmp_path,
        "Fetch:\n  tls:\n    internal: {caFile: ca.pem, CERT_FILE: /abs/cert.pem,"
        " hosts: '*.A.example, 10.0.0.1, B.example.:08443, [0:0::0:1]:443, FD00:0::1'}\n"
        "    own: {ca_file: ca.pem, key_file: }\n",
    )

    assert config.fetch.tls == {
        "internal": TlsProfile(
            ca_file=str(tmp_path / "ca.pem"),
            cert_file="/abs/cert.pem",
            hosts=("*.a.example", "10.0.0.1", "b.example:8443", "[::1]:443", "fd00::1"),
        ),
        "own": TlsProfile(ca_file=str(tmp_path / "ca.pem")),
    }
    assert config.task_limits().tls_profiles == {
        "internal": ("*.a.example", "10.0.0.1", "b.example:8443", "[::1]:443", "fd00::1"),
        "own": (),
    }


def test_a_variable_names_profiles() -> None:
    """As a text; hosts several times."""
    text = (
        "in.runner.ca_file=/ca.pem, in.runner.hosts=a.example, in.runner.hosts=b.example, own.cert_file=c.pem"
    )
    config = load(environ={"TASKRUNNER_FETCH__TLS": text}, search=False)

    assert config.fetch.tls == {
        "in.runner": TlsProfile(ca_file="/ca.pem", hosts=("a.example", "b.example")),
        "own": TlsProfile(cert_file="c.pem"),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{a: {ca_fil: x}}", 'Fetch.tls: a.ca_fil: unknown key, did you mean "ca_file"?'),
        ("{a: x}", "a: must have keys such as ca_file and cert_file"),
        ("{a: {hosts: b.example}}", "a: must have a ca_file, a cert_file or both"),
        ("{a: {ca_file: x, key_file: y}}", "a: a key needs the certificate that it belongs to, cert_file"),
        ("{a: {ca_file: [x]}}", "a.ca_file: must be the path of a file"),
        ("{a: {ca_file: x, hosts: '*.*'}}", "a.hosts: must be host names, addresses or *.example.com"),
        (
            "{a: {ca_file: x, hosts: 'b.example:0'}}",
            "a.hosts: must be host names, addresses or *.example.com",
        ),
        ("{a: {ca_file: x, hosts: 'b.example:'}}", "a.hosts: must be host names, addresses or *.example.com"),
        ("{a b: {ca_file: x}}", "a profile's name must be"),
        ("{a: {ca_file: x, hosts: c.example}, b: {ca_file: x, hosts: C.example}}", "a and b are both for"),
        ("'a=b'", "must be NAME.KEY=VALUE"),
        ("'a.ca_file=b,a.ca_file=c'", "a.ca_file is given twice"),
    ],
)
def test_what_is_no_profile_is_told(tmp_path: Path, text: str, told: str) -> None:
    """With the name of the profile and of the key."""
    assert told in finding(tmp_path, text)


@pytest.mark.parametrize(
    "keys",
    [
        {"ca_file": "ca.pem"},
        {"cert_file": "cert.pem", "key_file": "key.pem"},
        {"cert_file": "both.pem"},
    ],
)
def test_good_files_are_taken(pems: Path, keys: dict[str, str]) -> None:
    """A certificate may have its key in the same file."""
    assert read_key_passwords({"a": profile(pems, keys)}) == {}


def test_the_password_of_a_locked_key_is_read(pems: Path) -> None:
    """Without the line break at its end."""
    keys = {"cert_file": "cert.pem", "key_file": "locked.pem", "key_password_file": "password"}

    assert read_key_passwords({"a": profile(pems, keys)}) == {"a": "s3cret-pw"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"ca_file": "none.pem"}, "Fetch.tls: a.ca_file: cannot read {}/none.pem: No such file or directory"),
        ({"cert_file": "."}, "Fetch.tls: a.cert_file: cannot read {}: Is a directory"),
        ({"ca_file": "key.pem"}, "Fetch.tls: a.ca_file: {}/key.pem holds no certificate in PEM"),
        (
            {"cert_file": "junk.pem", "key_file": "key.pem"},
            "Fetch.tls: a.cert_file: {}/junk.pem holds no certificate in PEM",
        ),
        (
            {"cert_file": "cert.pem", "key_file": "other.pem"},
            "Fetch.tls: a.key_file: {0}/other.pem is not the key of the certificate in {0}/cert.pem",
        ),
        (
            {"cert_file": "cert.pem", "key_file": "junk.pem"},
            "Fetch.tls: a.key_file: {}/junk.pem holds no private key in PEM",
        ),
        ({"cert_file": "cert.pem"}, "Fetch.tls: a.cert_file: {}/cert.pem holds no private key in PEM"),
        (
            {"cert_file": "cert.pem", "key_file": "locked.pem"},
            "Fetch.tls: a.key_file: {}/locked.pem is locked: give its password in a key_password_file",
        ),
        (
            {"cert_file": "cert.pem", "key_file": "locked.pem", "key_password_file": "wrong"},
            "Fetch.tls: a.key_password_file: {0}/wrong does not open {0}/locked.pem",
        ),
        (
            {"cert_file": "cert.pem", "key_file": "locked.pem", "key_password_file": "empty"},
            "Fetch.tls: a.key_password_file: {}/empty is empty",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told(pems: Path, keys: dict[str, str], told: str) -> None:
    """In one line, with its key and its path, and with nothing of its content."""
    with pytest.raises(ConfigInvalid) as caught:
        read_key_passwords({"a": profile(pems, keys), "b": profile(pems, {"ca_file": "ca.pem"})})

    assert [str(each) for each in caught.value.errors] == [told.format(pems)]


def profile(folder: Path, keys: dict[str, str]) -> TlsProfile:
    return TlsProfile(**{key: str(folder / name) for key, name in keys.items()})  # type: ignore[arg-type]  # paths only
