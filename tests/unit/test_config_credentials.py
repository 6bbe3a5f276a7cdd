"""`Fetch.credentials`: from every source, never shown, and what cannot be used told by file, key and path."""

import base64
import json
from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.targets.credential import ClientAuth, GrantedToken, SignedToken, SigningSecret
from tests.tools.token_keys import ec_pem, ed25519_pem, pem_of, rsa_pem

FIRST, SECOND, THIRD = ("whsec_" + base64.b64encode(bytes([number]) * 24).decode() for number in (1, 2, 3))
ISSUER = "issuer: https://tasks.example/"
KEY, OTHER = ec_pem(), ed25519_pem()


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """Good and bad keys beside the configuration."""
    contents = {
        "key.pem": KEY,
        "other.pem": OTHER,
        "short.pem": rsa_pem(1024),
        "junk.pem": "junk",
        "bytes.pem": "\N{SNOWMAN}",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)


def load_text(folder: Path, text: str, **environ: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load(environ=environ, folder=folder)


def finding(folder: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load_text(folder, text)
    return str(caught.value)


def test_the_file_names_them(tmp_path: Path) -> None:
    """Paths are relative to the file."""
    config = load_text(
        tmp_path,
        f"Fetch:\n  {ISSUER}\n  credentials:\n"
        f"    erp: {{keys: [{FIRST}, {SECOND}], hosts: [ERP.test., '*.erp.test:8443']}}\n"
        "    billing: {keyFile: key.pem, other_key_file: other.pem, hosts: b.test,\n"
        "              subject: s, audience: a}\n",
    )
    assert config.fetch.issuer == "https://tasks.example"
    assert config.fetch.credentials == {
        "erp": SigningSecret(keys=(FIRST, SECOND), hosts=("erp.test", "*.erp.test:8443")),
        "billing": SignedToken(
            key_pem=KEY, other_key_pem=OTHER, hosts=("b.test",), subject="s", audience="a"
        ),
    }
    uses = config.task_limits().credentials
    assert (uses["erp"].is_token, uses["billing"].is_token) == (False, True)


@pytest.mark.parametrize("between", [",", ", ", "\n"])
def test_a_text_names_them(tmp_path: Path, between: str) -> None:
    """In the environment, or in a file of its own."""
    parts = [f"erp.keys={FIRST}", f"erp.keys={SECOND}", "erp.hosts=a.test", "erp.hosts=b.test"]
    text = between.join(parts)
    expected = {"erp": SigningSecret(keys=(FIRST, SECOND), hosts=("a.test", "b.test"))}
    assert load(environ={"TASKRUNNER_FETCH__CREDENTIALS": text}, search=False).fetch.credentials == expected
    (tmp_path / "credentials").write_text(text + "\n")
    config = load_text(tmp_path, "Fetch: {credentials_file: credentials}")
    assert config.fetch.credentials == expected


def test_they_are_never_shown(tmp_path: Path) -> None:
    """What they are for is."""
    config = load_text(
        tmp_path,
        f"Fetch: {{{ISSUER}, credentials: {{erp: {{keys: {FIRST}, hosts: a.test}}, "
        "b: {key_file: key.pem, hosts: b.test, subject: s}}}",
    )
    shown = config.redacted()["Fetch"]["credentials"]
    assert shown["erp"] == {"keys": ["***"], "hosts": ["a.test"]}
    assert shown["b"] == {
        "key_pem": "***",
        "other_key_pem": None,
        "hosts": ["b.test"],
        "subject": "s",
        "audience": None,
    }
    told = json.dumps(config.redacted()) + repr(config) + repr(config.task_limits())
    assert FIRST.removeprefix("whsec_") not in told
    assert KEY.splitlines()[1] not in told


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        ("{erp: s3cret}", "erp: must have keys"),
        ("[s3cret]", "must be"),
        ("{erp: {hosts: a.test}}", "erp: must have one of"),
        (f"{{erp: {{keys: {FIRST}, key_file: key.pem, hosts: a.test}}}}", "erp: must have one of"),
        (f"{{erp: {{keys: {FIRST}}}}}", "erp.hosts: is required"),
        ("{erp: {key_file: key.pem}}", "erp.hosts: is required"),
        ("{erp: {key_file: key.pem, hosts: 'https://a.test/'}}", "erp.hosts: must be"),
        ("{erp: {keys: s3cret, hosts: a.test}}", "erp.keys: a secret must begin with whsec_"),
        (f"{{erp: {{keys: [{FIRST}, {SECOND}, {THIRD}], hosts: a.test}}}}", "1 secret, or 2"),
        (f"{{erp: {{keys: {FIRST}, hosts: a.test, subject: s}}}}", "erp.subject: does not go with keys"),
        ("{erp: {key_fil: key.pem, hosts: a.test}}", 'did you mean "key_file"'),
        ("{erp: {key_file: none.pem, hosts: a.test}}", "erp.key_file: cannot read"),
        ("{erp: {key_file: junk.pem, hosts: a.test}}", "holds no private key"),
        ("{erp: {key_file: bytes.pem, hosts: a.test}}", "holds no private key"),
        ("{erp: {key_file: short.pem, hosts: a.test}}", "1024 bits"),
        ("{erp: {key_file: key.pem, other_key_file: junk.pem, hosts: a.test}}", "erp.other_key_file: "),
        ("{a b: {key_file: key.pem, hosts: a.test}}", "a credential's name"),
        (f"{{{FIRST.strip('=')}: {{key_file: key.pem, hosts: a.test}}}}", "not beginning with whsec_"),
    ],
)
def test_what_cannot_be_used_is_told_without_the_secret(tmp_path: Path, credentials: str, told: str) -> None:
    message = finding(tmp_path, f"Fetch: {{{ISSUER}, credentials: {credentials}}}")
    assert f"{tmp_path / 'config.yaml'}: Fetch.credentials" in message
    assert told in message
    assert "s3cret" not in message
    assert FIRST.removeprefix("whsec_") not in message


def test_a_locked_key_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    (tmp_path / "locked.pem").write_text(pem_of(ec.generate_private_key(ec.SECP256R1()), b"s3cret"))
    told = finding(
        tmp_path, f"Fetch: {{{ISSUER}, credentials: {{erp: {{key_file: locked.pem, hosts: a.test}}}}}}"
    )
    assert "locked.pem is locked by a passphrase" in told


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ("http://tasks.example", "must be an https URL"),
        ("https://tasks.example?a=b", "no query"),
        ("https://tasks.example/#a", "no fragment"),
        ("tasks.example", "must start with http"),
    ],
)
def test_an_issuer_is_a_url_by_the_standard(tmp_path: Path, issuer: str, told: str) -> None:
    assert told in finding(tmp_path, f"Fetch: {{issuer: '{issuer}'}}")


def test_tokens_need_an_issuer(tmp_path: Path) -> None:
    told = finding(tmp_path, "Fetch: {credentials: {erp: {key_file: key.pem, hosts: a.test}}}")
    assert "set it to the https URL of the API" in told


def test_no_key_signs_tasks_and_callbacks(tmp_path: Path) -> None:
    """Whoever may submit a task chooses its body, and could forge a callback."""
    one = f"{{keys: [{FIRST}, {SECOND}], hosts: a.test}}"
    told = finding(
        tmp_path,
        f"Fetch: {{credentials: {{erp: {{keys: {SECOND}, hosts: a.test}}}}}}\n"
        f"Callbacks: {{secrets: {{a: {one}}}}}",
    )
    assert "could forge a callback" in told
    assert SECOND.removeprefix("whsec_") not in told


GRANTED = "token_url: https://login.test/t, client_id: me, client_secret: s3cret, hosts: a.test"


def test_a_token_endpoint(tmp_path: Path) -> None:
    """The secret is not shown, the rest is."""
    config = load_text(
        tmp_path,
        f"Fetch: {{credentials: {{erp: {{{GRANTED}, scope: a b, audience: x, client_auth: POST}}}}}}",
    )
    assert config.fetch.credentials == {
        "erp": GrantedToken(
            token_url="https://login.test/t",
            client_id="me",
            client_secret="s3cret",
            client_auth=ClientAuth.POST,
            scope="a b",
            audience="x",
            hosts=("a.test",),
        )
    }
    assert config.task_limits().credentials["erp"].is_token
    shown = config.redacted()["Fetch"]["credentials"]["erp"]
    assert shown == {
        "token_url": "https://login.test/t",
        "client_id": "me",
        "client_secret": "***",
        "client_auth": "post",
        "scope": "a b",
        "audience": "x",
        "hosts": ["a.test"],
    }
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (GRANTED.replace("https:", "http:"), "erp.token_url: must be an https URL"),
        (GRANTED.replace("https://login.test", "ftp://me:s3cret@login.test"), "erp.token_url: "),
        (
            GRANTED.replace("client_id", "client_ids"),
            'erp.client_ids: unknown key, did you mean "client_id"',
        ),
        (GRANTED.replace("client_id: me, ", ""), "erp.client_id: is required"),
        (GRANTED.replace("client_secret: s3cret, ", ""), "erp.client_secret: is required"),
        (f"{GRANTED}, client_auth: jwt", "erp.client_auth: must be one of basic, post, got 'jwt'"),
        (f"{GRANTED}, subject: x", "erp.subject: does not go with token_url"),
        (f"{GRANTED}, key_file: key.pem", "erp: must have one of"),
        (f"{GRANTED}, scope: [a, b]", "erp.scope: must be one line"),
    ],
)
def test_an_endpoint_that_cannot_be_used(tmp_path: Path, given: str, told: str) -> None:
    message = finding(tmp_path, f"Fetch: {{credentials: {{erp: {{{given}}}}}}}")
    assert told in message
    assert "s3cret" not in message
