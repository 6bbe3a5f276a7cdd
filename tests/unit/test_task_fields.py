"""The rules for single fields: what is let in, and that every refusal gives its reason without a secret."""

import pytest

from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.task_fields import (
    METHODS,
    check_header,
    check_headers,
    check_id,
    check_labels,
    check_method,
    check_url,
)
from taskrunner.domain.tasks.task_limits import TaskLimits

LIMITS = TaskLimits()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com:8443/a/b?c=d&e=%20",
        "http://93.184.216.34/",
        "http://[2606:4700:4700::1111]:8080/x",
        "http://host_name/a@b",
        "http://h/" + "a" * (8 * 1024 - len("http://h/")),
    ],
)
def test_a_good_url_is_let_in_unchanged(url: str) -> None:
    """Absolute, http or https, up to 8 KiB."""
    assert check_url(url, LIMITS).text == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must start with"),
        ("example.com", "must start with http:// or https://"),
        ("/path", "must start with"),
        ("//host/path", "must start with"),
        ("ftp://host/", "must start with"),
        ("file:///etc/passwd", "must start with"),
        ("javascript:alert(1)", "must start with"),
        ("http://", "has no usable host or port"),
        ("http:///path", "has no usable host or port"),
        ("http://:80/", "has no usable host or port"),
        ("http://h:0/", "has no usable host or port"),
        ("http://h:65536/", "has no usable host or port"),
        ("http://h:port/", "has no usable host or port"),
        ("http://[::1/", "has no usable host or port"),
        ("http://[nonsense]/", "is not an IPv6 address"),
        ("http://127.1/", "is not a plain IPv4 address"),
        ("http://127.0.0.1/", "names an address that is not public"),
        ("http://localhost/", "names this machine"),
        ("http://metadata.google.internal/", "names a metadata service"),
        ("http://h:25/", "names port 25, which is not among Fetch.ports"),
        ("http://user@h/", "must not hold a user name or password"),
        ("http://user:pw@h/", "must not hold a user name or password"),
        ("http://@h/", "must not hold a user name or password"),
        ("http://h/a b", "must be printable ASCII"),
        ("http://h/\r\nX: y", "must be printable ASCII"),
        ("http://h/\x00", "must be printable ASCII"),
        ("http://h/\u00e9", "percent-encode the rest"),
        ("http://ex\u2460mple.com/", "is not a name by IDNA 2008"),
        ("http://h/" + "a" * 8 * 1024, "is 8201 bytes long, at most 8192 are allowed"),
    ],
)
def test_a_bad_url_is_refused_with_the_reason(url: str, reason: str) -> None:
    """Whatever two parsers could read in two ways, or nobody could fetch."""
    with pytest.raises(ValueError) as caught:
        check_url(url, LIMITS)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2@h:99999/",
        "ftp://me:hunter2@h/",
        "ftp://h/?t=hunter2",
        "me:hunter2@h",
        "//me:hunter2@:0",
    ],
)
def test_a_refusal_does_not_repeat_a_secret(url: str) -> None:
    """User information and query stay out of the message, which may be logged."""
    with pytest.raises(ValueError) as caught:
        check_url(url, LIMITS)
    assert "hunter2" not in str(caught.value)


def test_methods_are_known_and_upper_case() -> None:
    """In any case they are handed in."""
    assert {check_method(method.lower()) for method in METHODS} == METHODS
    for method in ("", "CONNECT", "TRACE", "GET ", "G\u0130T", "get\n"):
        with pytest.raises(ValueError, match="must be one of"):
            check_method(method)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-Custom", "a b\tc"), ("authorization", ""), ("!#$%&'*+.^_`|~09", "~"), ("User-Agent", "x/1 (y; z)")],
)
def test_a_good_header_is_let_in(name: str, value: str) -> None:
    """A token and visible ASCII (RFC 9110 section 5)."""
    check_header(name, value)


@pytest.mark.parametrize("name", ["", " x", "x:", "x y", "x\r\n", "\u00e9", "x\x00", "(x)", "x/y"])
def test_a_bad_header_name_is_refused(name: str) -> None:
    """It is no token."""
    with pytest.raises(ValueError, match="is not a header name"):
        check_header(name, "v")


@pytest.mark.parametrize(
    "value", ["{}\r\nB: c", "{}\n", "{}\x00", " {}", "{} ", "\t{}", "{}\u00e9", "{}\x7f"]
)
def test_a_bad_header_value_is_refused_and_not_shown(value: str) -> None:
    """A line break would be another header; a value may be a secret."""
    with pytest.raises(ValueError, match="must be visible ASCII") as caught:
        check_header("X", value.format("hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["Metadata-Flavor", "metadata", "X-aws-ec2-metadata-token"])
def test_headers_that_unlock_metadata_are_refused(name: str) -> None:
    """Clouds ask for them so that no misled client gets at a machine's credentials."""
    with pytest.raises(ValueError, match="is a key to a metadata service"):
        check_header(name, "x")


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "te",
        "Expect",
        "Upgrade",
        "Proxy-Authorization",
    ],
)
def test_headers_of_the_connection_are_ours(name: str) -> None:
    """A task that sets them could split requests."""
    with pytest.raises(ValueError, match="is set by taskrunner itself"):
        check_header(name, "x")


def test_headers_are_bounded() -> None:
    """In number, each, and together."""
    check_headers({f"x-{n}": "v" for n in range(50)}, LIMITS)
    check_headers({"x": "v" * (8 * 1024 - 5)}, LIMITS)
    for headers, reason in (
        ({f"x-{n}": "v" for n in range(51)}, "51 headers, at most 50"),
        ({"x": "v" * (8 * 1024 - 4)}, "is larger than 8192 bytes"),
        ({f"x-{n}": "v" * 8000 for n in range(3)}, "bytes in all, at most 16384"),
    ):
        with pytest.raises(ValueError, match=reason):
            check_headers(headers, LIMITS)


def test_labels_are_few_and_short() -> None:
    """They are for finding tasks; their size is in bytes."""
    check_labels({str(n): "v" for n in range(32)} | {"0": "v" * 255}, LIMITS)
    for labels in ({str(n): "v" for n in range(33)}, {"": "v"}, {"a": "v" * 256}, {"a": "\u00e9" * 128}):
        with pytest.raises(ValueError, match=r"32|256"):
            check_labels(labels, LIMITS)


def test_ids_stand_in_urls_and_keys() -> None:
    """Ours are fine; nothing that would need quoting is."""
    for task_id in ("a", "0", "order:42.retry_1-b", "x" * 128, new_task_id()):
        assert check_id(task_id) == task_id
    for task_id in ("", "-a", ".", "..", "a/b", "a b", "a\n", "{a}", "\u00e9", "x" * 129):
        with pytest.raises(ValueError, match="must be 1 to 128"):
            check_id(task_id)


def test_new_ids_sort_by_time() -> None:
    """A UUIDv7 begins with its moment."""
    ids = [new_task_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
