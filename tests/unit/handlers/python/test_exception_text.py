"""What is told of an exception: no secret of the message, the environment or the data, and not too much."""

import pytest

from taskrunner.handlers.python.exception_text import ExceptionText

ENVIRON = {
    "DB_PASSWORD": "env-hunter2",
    "API_TOKEN": "env-token",
    "PWD": "/home/me",
    "HOME": "/root",
    "PIN": "1",
}
DATA = (
    b'{"url": "http://a.test", "login": {"password": "data-hunter2"}, "tokens": ["data-token"], "pin": 90210}'
)
SECRETS = ("hunter2", "env-token", "data-token", "90210", "s3cr3t")


@pytest.fixture
def text() -> ExceptionText:
    return ExceptionText(ENVIRON)


@pytest.mark.parametrize(
    "message",
    [
        "login failed for env-hunter2",
        "cannot use env-token",
        "bad password data-hunter2 and data-token",
        "the pin 90210 is wrong",
        "postgres://me:s3cr3t@db.test/app?sslmode=off",
        "GET https://a.test/x?token=s3cr3t failed",
        "password=s3cr3t, try again",
        'config {"api_key": "s3cr3t", "user": "me"}',
        "{'client_secret': 's3cr3t s3cr3t'}",
        "Authorization: Bearer s3cr3ts3cr3t",
        "header Authorization: Basic s3cr3ts3cr3t==",
        "PGPASSWORD: s3cr3t",
        "aws_secret_access_key = s3cr3t",
        "--api-key=s3cr3t",
        "the key sk_live_s3cr3ts3cr3t is revoked",
        "ghp_s3cr3ts3cr3ts3cr3ts3 expired",
        "jwt eyJhbGciOi.s3cr3ts3cr3t.s3cr3t is expired",
        "-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ns3cr3t",
    ],
)
def test_a_secret_is_not_told(message: str, text: ExceptionText) -> None:
    """Not in the record, not in the log, not in the reason that a handler gives, not by a cause."""
    try:
        try:
            raise OSError(message)
        except OSError as exc:
            raise ValueError(message) from exc
    except ValueError as exc:
        told = [text.error(exc, DATA), text.trace(exc, DATA), text.reason(message, DATA)]
    assert not [secret for secret in SECRETS for each in told if secret in each]
    assert all("***" in each or "://" in each for each in told)


@pytest.mark.parametrize(
    "message",
    [
        "no such file: /home/me/a.jpg",
        "width must be above 0, got -1",
        "task 0198f6 timed out after 30 s",
        "1 of 2",
    ],
)
def test_an_ordinary_message_is_told(message: str, text: ExceptionText) -> None:
    assert text.error(ValueError(message), DATA) == f"ValueError: {message}"


def test_the_record_names_the_type_with_its_module(text: ExceptionText) -> None:
    class OwnError(Exception):
        pass

    assert text.error(KeyError("a"), b"") == "KeyError: 'a'"
    assert text.error(OwnError(), b"").startswith(f"{__name__}.test_the_record_names")


def test_the_traceback_is_that_of_the_user(text: ExceptionText) -> None:
    """Where it was raised, and not our own frames."""
    try:
        raise LookupError("here")
    except LookupError as exc:
        told = text.trace(exc, b"not JSON")
    assert 'raise LookupError("here")' in told
    assert "handlers/python/handler.py" not in told


@pytest.mark.parametrize(
    "message",
    ["x" * 100_000_000, "://" * 100_000, "eyJ-" * 10_000, "token:'" * 10_000, "a b\x00\ud800" * 9999],
)
def test_an_exception_of_any_size_is_bounded(message: str, text: ExceptionText) -> None:
    """Whatever is in it, it is told within the time of the test."""
    assert len(text.error(ValueError(message), b"")) <= 1000
    assert len(text.trace(ValueError(message), b"")) <= 8000


@pytest.mark.parametrize("after", range(7960, 8000))
def test_no_cut_leaves_part_of_a_secret(after: int, text: ExceptionText) -> None:
    """Wherever the traceback begins, also where a secret before it has become shorter."""
    key = "-----BEGIN PRIVATE KEY-----\n" + "A" * 3000 + "\n-----END PRIVATE KEY-----\n"
    for before in ("", key, "password=" + "x" * 5000 + "\n"):
        message = f"password=data-hunter2 {before}token=s3cr3t-{'s' * 30}\n{'.' * after}"
        told = text.trace(ValueError(message), DATA)
        assert not [secret for secret in ("hunter2", "sss", "AAA", "xxx") if secret in told]
        assert told.endswith("...\n")


def test_a_logged_line_is_masked_and_bounded(text: ExceptionText) -> None:
    told = text.line("login with password=s3cr3t, env-hunter2 and data-token\n" + "x" * 100_000, DATA)
    assert told.startswith("login with password=***")
    assert not [secret for secret in SECRETS if secret in told]
    assert len(told) <= 16 * 1024


def test_a_deep_recursion_is_bounded(text: ExceptionText) -> None:
    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as found:
        deeper()
    assert len(text.trace(found.value, b"")) <= 8000


def test_an_exception_that_cannot_be_shown_is_named(text: ExceptionText) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "its message cannot be shown (RuntimeError)" in text.error(Mute(), b"")
    assert "Mute" in text.trace(Mute(), b"")


def test_data_of_any_depth_is_searched(text: ExceptionText) -> None:
    deep = b'{"password": ' * 900 + b'"data-hunter2"' + b"}" * 900
    assert "hunter2" not in text.error(ValueError("data-hunter2"), deep)
    assert text.error(ValueError("plain"), b"[" * 100_000) == "ValueError: plain"
