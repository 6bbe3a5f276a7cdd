"""Masking: what may be shown of a secret."""

from typing import Any

import pytest

from taskrunner.domain.masking import (
    MASK,
    Masking,
    logged_path,
    logged_url,
    mask_user_info,
    masked_setting,
    masked_template,
    masked_url,
    strip_urls,
)


@pytest.mark.parametrize(
    "name",
    [
        "Ocp-Apim-Subscription-Key",
        "X-Auth",
        "X-Private-Key",
        "X-Anything-New",
        "X-RateLimit-Token",
        "authorization",
        "Proxy-Authorization",
        "COOKIE",
        "X-Api-Key",
        "x-auth-token",
        "X-Hub-Signature",
    ],
)
def test_a_header_that_may_be_a_secret_is_masked(name: str) -> None:
    assert Masking().headers({name: "s3cret", "Accept": "*/*"}) == {name: MASK, "Accept": "*/*"}


def test_further_headers_are_masked_by_their_names() -> None:
    """In any case, and no others that are only like them."""
    masking = Masking(["X-Tenant"])
    assert masking.headers({"x-tenant": "s3cret", "Server": "7", "Cookie": "s3cret"}) == {
        "x-tenant": MASK,
        "Server": "7",
        "Cookie": MASK,
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a/?token=s3cret&b=1", "http://a/?token=***&b=1"),
        ("http://a/?b=1&X-Amz-Signature=s3cret", "http://a/?b=1&X-Amz-Signature=***"),
        ("http://a/?key=s3cret&sig=s3cret&monkey=1", "http://a/?key=***&sig=***&monkey=1"),
        ("http://a/?api%5Fkey=s3cret", "http://a/?api%5Fkey=***"),
        ("http://a/?code=a=b", "http://a/?code=***"),
        ("http://a/?jwt=s3cret", "http://a/?jwt=***"),
        ("http://a/?anything=s3cret", "http://a/?anything=***"),
        ("http://a/?x=12&day=2030-01-31&q=two%20words", "http://a/?x=12&day=2030-01-31&q=two%20words"),
        ("http://a/?page=1;token=s3cret", "http://a/?page=***"),
        ("http://a/#access_token=s3cret", "http://a/#access_token=***"),
        ("http://a/#/route?id=3&code=s3cret", "http://a/#/route?id=3&code=***"),
        ("http://a/b;jsessionid=s3cret/c;v=1?x=1", "http://a/b;jsessionid=***/c;v=1?x=1"),
        ("http://me:s3cret@a/b@c", "http://***@a/b@c"),
        ("//me:s3cret@a/", "//***@a/"),
        ("/x?sig=s3cret", "/x?sig=***"),
        ("http://a/?otp=123456&pin=1234", "http://a/?otp=***&pin=***"),
        ("http://a/?url=http%3A%2F%2Fb%2F%3Ftoken%3Ds3cret", "http://a/?url=***"),
        ("http://a/token/x?b&token", "http://a/token/x?b&token"),
        ("http://a/", "http://a/"),
    ],
)
def test_a_parameter_that_may_be_a_secret_is_masked(url: str, shown: str) -> None:
    """All else stays as it was spelt."""
    assert masked_url(url) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Location", "/next?sig=s3cret&page=2", "/next?sig=***&page=2"),
        ("location", "https://u:s3cret@h/#id_token=s3cret", "https://***@h/#id_token=***"),
        ("Content-Location", "?token=s3cret", "?token=***"),
        ("Referer", "https://h/?session=s3cret", "https://h/?session=***"),
        (
            "Link",
            '<https://h/?token=s3cret>; rel="next", </b?sig=s3cret>',
            '<https://h/?token=***>; rel="next", </b?sig=***>',
        ),
        ("Link", "<https://h/?token=s3cret", "<https://h/?token=***>"),
        ("Refresh", "5; url=https://h/?token=s3cret", "5; url=https://h/?token=***"),
        ("Refresh", "0;URL='/a?sig=s3cret'", "0;URL='/a?sig=***"),
        ("Refresh", "7", "7"),
    ],
)
def test_urls_in_headers_are_masked(name: str, value: str, shown: str) -> None:
    assert Masking().value(name, value) == shown


def test_user_information_is_masked() -> None:
    """A password that is not percent-encoded may hold any character."""
    assert mask_user_info("amqp://me:p/a@ss@h/x") == "amqp://***@h/x"
    assert mask_user_info("http://h/x") == "http://h/x"


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("s3cret", MASK),
        ("", ""),
        (None, None),
        ("postgresql://me:s3cret@h/db?sslmode=require", "postgresql://***@h/db?sslmode=require"),
        ("postgresql:///db?host=h&password=s3cret&user=me", "postgresql:///db?host=h&password=***&user=me"),
        ({"name": ["s3cret", "redis://u:s3cret@h"]}, {"name": [MASK, "redis://***@h"]}),
    ],
)
def test_a_secret_setting_shows_at_most_an_address(setting: Any, shown: Any) -> None:
    """Also in lists and mappings; an empty value shows that nothing is set."""
    assert masked_setting(setting) == shown


def test_a_logged_path_has_no_query() -> None:
    assert logged_path("/a/b?token=s3cret#s3cret") == "/a/b"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h", "h"),
        ("http://h?x=1", "h"),
        ("https://me:pw@h:1/a@b#c", "h:1/a@b"),
        ("http://h/" + "a" * 9000, "h/" + "a" * (512 - len("http://h/"))),
        ("nonsense", ""),
    ],
)
def test_a_url_is_shown_by_host_and_path(url: str, shown: str) -> None:
    """Its query may hold a token, and its length has a bound."""
    assert logged_url(url) == shown


def test_urls_in_a_text_are_cut() -> None:
    """Each of them, and the rest of the text stays."""
    assert strip_urls("a http://u:p@h/x?y=1 b 'amqps://u@i:1/#z', c") == "a http://h/x b 'amqps://i:1/', c"
    assert strip_urls("no url: a@b?c") == "no url: a@b?c"


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("http://h/{a}?q={q}&token={user.token}", "http://h/{a}?q={q}&token={user.token}"),
        ("http://h/?token=s3cret&q={q}", "http://h/?token=***&q={q}"),
        ("http://h/?token=s3{q}cret", "http://h/?token=***"),
        ("http://h/{a}", "http://h/{a}"),
        ("http://u:s3cret@h/?q={q}#x", "http://***@h/?q={q}#x"),
    ],
)
def test_a_placeholder_is_no_secret(template: str, shown: str) -> None:
    assert masked_template(template) == shown
