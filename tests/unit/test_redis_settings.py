"""Addresses of Redis in every form, and no secret in anything that is shown."""

import pytest

from taskrunner.domain.backends.redis_url import RedisUrl
from taskrunner.domain.backends.service_tls import ServiceTls
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.stores.redis.settings import RedisSettings, endpoint


def parse(address: str, **settings: object) -> RedisUrl:
    return endpoint(RedisSettings(address=address, **settings))  # type: ignore[arg-type]  # mixed values


@pytest.mark.parametrize(
    ("address", "expected", "shown"),
    [
        ("redis:6379", RedisUrl(places=(("redis", 6379),), db=0), "redis:6379"),
        ("redis", RedisUrl(places=(("redis", 6379),), db=0), "redis:6379"),
        ("redis://h:1", RedisUrl(places=(("h", 1),), db=0), "h:1"),
        ("redis://h/3", RedisUrl(places=(("h", 6379),), db=3), "h:6379"),
        ("redis://h?db=3", RedisUrl(places=(("h", 6379),), db=3), "h:6379"),
        ("rediss://h", RedisUrl(places=(("h", 6379),), db=0, tls=ServiceTls()), "h:6379"),
        ("redis://u:p%40@h", RedisUrl(places=(("h", 6379),), db=0, user="u", password="p@"), "h:6379"),
        ("redis://:p@h", RedisUrl(places=(("h", 6379),), db=0, password="p"), "h:6379"),
        ("[::1]:7", RedisUrl(places=(("::1", 7),), db=0), "[::1]:7"),
        (
            "redis+sentinel://u:p%40@s1,[::1]:2/main/3",
            RedisUrl(places=(("s1", 26379), ("::1", 2)), service="main", user="u", password="p@", db=3),
            "main (by Sentinel s1:26379, [::1]:2)",
        ),
        ("unix:///run/redis.sock", RedisUrl(path="/run/redis.sock", db=0), "/run/redis.sock"),
    ],
)
def test_addresses(address: str, expected: RedisUrl, shown: str) -> None:
    """Host and port, or a URL with as much as it holds."""
    assert parse(address) == expected
    assert str(parse(address)) == shown


def test_the_url_goes_before_the_other_settings() -> None:
    """What it does not say comes from them."""
    found = parse("redis://u@h/3", user="other", password="p", db=5, tls=True)
    assert found == RedisUrl(places=(("h", 6379),), user="u", password="p", db=3, tls=ServiceTls())


def test_the_settings_may_name_sentinels() -> None:
    """The rest of them is for the server that those tell of."""
    found = parse("s1:1,s2:2", sentinel="main", user="u", password="p", db=5, tls=True)
    places = (("s1", 1), ("s2", 2))
    assert found == RedisUrl(places=places, service="main", user="u", password="p", db=5, tls=ServiceTls())


@pytest.mark.parametrize("address", ["http://h", "redis://h/x", "h:99999", "redis://h:port", "redis://[::1"])
def test_addresses_that_are_none(address: str) -> None:
    """They are refused without being shown, since they may hold a password."""
    with pytest.raises(ConfigInvalid, match=r"redis\.addr: expected host:port") as caught:
        parse(address)
    assert address not in str(caught.value)


def test_no_secret_is_shown() -> None:
    """Neither by the settings nor by the endpoint."""
    for address in ("redis://u:secret@h", "redis+sentinel://u:secret@h/main"):
        settings = RedisSettings(address=address, password="secret", sentinel_password="secret")
        assert "secret" not in f"{settings!r} {endpoint(settings)!r} {endpoint(settings)}"
