"""The settings of how browsers and proxies reach the API."""

import pytest
from pydantic import ValidationError

from taskrunner.config.sections.servers import ApiSection


def finding(**values: object) -> str:
    """The message about a section that is refused."""
    with pytest.raises(ValidationError) as caught:
        ApiSection.model_validate(values)
    (error,) = caught.value.errors()
    return str(error["msg"])


def test_nobody_is_trusted_by_default() -> None:
    assert (ApiSection().trusted_proxies, ApiSection().public_url) == ((), None)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("10.0.0.0/8, 2001:db8::/32,192.0.2.1", ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")),
        (["::1"], ("::1/128",)),
        ("", ()),
    ],
)
def test_proxies_are_networks(given: object, read: tuple[str, ...]) -> None:
    assert ApiSection.model_validate({"trusted_proxies": given}).trusted_proxies == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("*", "got '*'"),
        ("proxy.example.com", "got 'proxy.example.com'"),
        ("10.0.0.1/8", "has host bits set"),
        ("10.0.0.0/33", "got '10.0.0.0/33'"),
        ("0.0.0.0/0", "0.0.0.0/0 would believe everybody"),
        ("::/0", "::/0 would believe everybody"),
    ],
)
def test_other_words_for_proxies_are_refused(given: str, said: str) -> None:
    assert said in finding(trusted_proxies=given)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("https://tasks.example.com", "https://tasks.example.com"),
        ("https://tasks.example.com/", "https://tasks.example.com"),
        ("http://[2001:db8::1]:8000/a/b/", "http://[2001:db8::1]:8000/a/b"),
    ],
)
def test_a_public_url_has_no_last_slash(given: str, read: str) -> None:
    assert ApiSection.model_validate({"public_url": given}).public_url == read


@pytest.mark.parametrize(
    "given",
    [
        "tasks.example.com",
        "//tasks.example.com",
        "ftp://a.example",
        "https://",
        "https://u:p@a.example",
        "https://a.example/?q=1",
        "https://a.example/#x",
        "https://a.example:99999",
        "https://a.example/a//b",
        "https://a b.example",
        "https://a.example/../b",
        "https:///queue",
    ],
)
def test_what_no_link_can_begin_with_is_refused(given: str) -> None:
    """Without its user and password in the message."""
    said = finding(public_url=given)
    assert "must be http(s)://host[:port][/path] without ? and #" in said
    assert "u:p" not in said


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", ()),
        ("https://a.example, http://localhost:3000", ("https://a.example", "http://localhost:3000")),
        (
            ["http://[::1]:8080", "chrome-extension://abcdef"],
            ("http://[::1]:8080", "chrome-extension://abcdef"),
        ),
    ],
)
def test_origins_are_named_one_by_one(given: object, read: tuple[str, ...]) -> None:
    assert ApiSection.model_validate({"cors": given}).cors == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("*", "takes no patterns"),
        (
            "https://*.example.com",
            "takes no patterns, as they let in strangers: name each origin, not 'https://*",
        ),
        ("null", "null is the origin of every sandboxed page and local file"),
        ("https://a.example/", "without a path"),
        ("https://a.example/app", "without a path"),
        ("a.example", "must be like https://app.example.com"),
        ("file://", "must be like https://app.example.com"),
        ("https://a.example:0", "must be like https://app.example.com"),
        ("https://a.example:70000", "must be like https://app.example.com"),
        ("https://A.example", "browsers send it in lower case and without the usual port"),
        ("https://a.example:443", "browsers send it in lower case and without the usual port"),
        ("http://a.example:080", "browsers send it in lower case and without the usual port"),
    ],
)
def test_what_no_browser_sends_as_an_origin_is_refused(given: str, said: str) -> None:
    """It would never match, or match too much."""
    assert said in finding(cors=given)
