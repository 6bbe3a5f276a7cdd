"""The patterns of the OpenAPI document: they match whatever is accepted, and not what is plainly wrong."""

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrunner.domain.duration import DURATION_PATTERN, read_duration
from taskrunner.domain.errors import HostLimitInvalid
from taskrunner.domain.executors.url_template import TEMPLATE_PATTERN, check_template
from taskrunner.domain.hosts.host_limit import RATE_PATTERN, read_limit
from taskrunner.domain.hosts.host_name import check_host_name, check_pattern
from taskrunner.domain.retries.rules import PATH_PATTERN, parse_path
from taskrunner.domain.schedules.timetable import check_cron, cron_pattern
from taskrunner.domain.targets.url import HOST_PATTERN, PORT_PATTERN, URL_PATTERN, parse_url
from taskrunner.domain.tasks.task_fields import base64_content
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_schemas import BASE64_SCHEMA
from taskrunner.domain.tasks.trace import TRACEPARENT_PATTERN, read_traceparent
from tests.tools.examples import share

HOST = rf"^{HOST_PATTERN}{PORT_PATTERN}$"
LIMIT = rf"^(?:(?:\*\.)?{HOST_PATTERN}|\*){PORT_PATTERN}$"
CRON = cron_pattern()
# Each place of "::", and what RFC 3986 lets stand on its sides.
ADDRESSES = (
    "::",
    "::1",
    "1::",
    "1:2:3:4:5:6:7::",
    "1::3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:192.0.2.1",
    "::ffff:192.0.2.1",
    "1:2::5:192.0.2.1",
    "ABCD:ef01::2345",
)


def check_traceparent(text: str) -> None:
    if read_traceparent(text) is None:
        raise ValueError(f"{text!r} is to be ignored")


def check_rate(text: str) -> None:
    try:
        read_limit({"rate": text})
    except HostLimitInvalid as exc:
        raise ValueError(f"{text!r}: {exc.errors}") from exc


VERSIONS = (("00", "00"), ("01", "01-more"), ("fe", "ff"))
RULES: dict[str, tuple[str, Callable[[str], object]]] = {
    "base64": (BASE64_SCHEMA["pattern"], base64_content),
    "cron": (CRON, check_cron),
    "duration": (DURATION_PATTERN, read_duration),
    "host": (HOST, check_host_name),
    "limit": (LIMIT, check_pattern),
    "path": (PATH_PATTERN, parse_path),
    "rate": (RATE_PATTERN, check_rate),
    "traceparent": (TRACEPARENT_PATTERN, check_traceparent),
    "template": (TEMPLATE_PATTERN, lambda text: check_template(text, TaskLimits())),
    "url": (URL_PATTERN, parse_url),
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("base64", text) for text in ("", "AA==", "AAA=", "AAAA", "+/9zYQ==")),
        *(("cron", text) for text in ("* * * * *", "*/5 0-6,12 1 JAN-mar 1-5", "0 0 L * *", "0 0 LW * *")),
        *(
            ("cron", text)
            for text in (
                "0 0 * * 5L",
                "0 0 * * fri#2",
                " 07  7 01 1 7 ",
                "@Daily",
                "5/10 * * * *",
                "*/59 */23 */30 */11 0-7/7",
            )
        ),
        *(("duration", text) for text in ("90", "1h30m", "1.5h", " 5m ", "250ms", "1e3", "2w1d", "+5", "5.")),
        *(("host", text) for text in ("example.com", "a_b.-c-:8443", "3com.2x", "bücher.example", "中.test")),
        *(
            ("host", text)
            for text in ("192.0.2.1", "192.0.2.1.:80", "[2001:db8::1]:80", "example.com.", "localhost")
        ),
        *(("host", f"[{address}]:65535") for address in ADDRESSES),
        *(("path", text) for text in ("$", "$.a_1[0]['b c'][-1]", '$["x"].中', "$[''].ü9", "$" + ".a" * 16)),
        *(("rate", text) for text in ("1", "0.000001/h", " 90/m ", "100000", "6000000.0/m", "360000000/h")),
        *(("traceparent", f"{version}-{'1' * 32}-{'a' * 16}-{rest}") for version, rest in VERSIONS),
        *(("limit", text) for text in ("*", "*:80", "*.example.com", "*.com:8443", "[::1]")),
        *(
            ("template", f"http://a{text}")
            for text in ("", "/{a}/{b-1.c}?x={_d}#e", "?{a}?", "?", "#?", "/?#")
        ),
        *(("url", text) for text in ("http://a", "HTTPS://EXAMPLE.com:443/?x#y", "https://bücher.example./")),
        *(
            ("url", text)
            for text in ("http://[::1]:8080/", "http://203.0.113.9/;a=b//../c?%00", "http://a?b")
        ),
    ],
)
def test_what_is_accepted_matches(kind: str, text: str) -> None:
    pattern, check = RULES[kind]
    check(text)
    assert re.search(pattern, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("base64", text)
            for text in ("A", "AA", "AAA", "AA=", "A===", "AAAA=", "AAA==", "AA==AA==", "A-_A")
        ),
        *(("base64", text) for text in ("=", "====", "AA A", "AAAé", "=AAA")),
        *(
            ("cron", text)
            for text in ("", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "@noon")
        ),
        *(
            ("cron", text)
            for text in (
                "* * * * 8",
                "*/0 * * * *",
                "*/60 * * * *",
                "* * * */12 *",
                "a * * * *",
                "*-5 * * * *",
                "* * * * MON#6",
                "* * * * * *",
            )
        ),
        *(
            ("duration", text)
            for text in ("", "m", "10 m", "30m1h", "1h1h", "-5m", "P1D", "1:30", "s", "1,5h")
        ),
        *(
            ("host", text)
            for text in ("", "0", "a b", "a/b", "a:0", "*.a", "1.2.3", "256.1.1.1", "a..b", "u@a")
        ),
        *(
            ("host", f"[{text}]")
            for text in ("1:2", "1::2::3", "::1.2.3", "1:2:3:4:5:6:7:8:9", ":1", "12345::")
        ),
        *(("host", text) for text in ("a:65536", "a:99999", "a:080")),
        *(("path", text) for text in ("", "a", "$.", "$.1", "$[01]", "$..a", "$[*]", "$" + ".a" * 17)),
        *(
            ("rate", text)
            for text in ("0", "0.000/m", "100001", "6000001/m", "360000001/h", "1/d", "-1", ".5")
        ),
        *(
            ("traceparent", text)
            for text in ("", "00", f"ff-{'1' * 32}-{'a' * 16}-01", f"00-{'0' * 32}-{'a' * 16}-01")
        ),
        ("traceparent", f"00-{'1' * 32}-{'0' * 16}-01"),
        ("traceparent", f"00-{'1' * 32}-{'a' * 16}-01-x"),
        ("traceparent", f"00-{'A' * 32}-{'a' * 16}-01"),
        *(("limit", text) for text in ("", "0", "*.*", "a.*", "*.", "**")),
        *(("url", text) for text in ("", "ftp://a/", "http:///", "http://a b/", "http://u@a/", "http://a/ü")),
        *(("url", f"http://{text}") for text in ("192.0.2.1.", "a??b", "a??")),
        *(
            ("template", f"http://a{text}")
            for text in ("/{", "/}", "/{}", "/{1}", "{a}", "#{a}", "??", "/{a.}")
        ),
        *(("template", text) for text in ("", "a", "{a}", "http://{a}/", "{a}://b/", "http://{a}.b/")),
        *(("url", text) for text in ("http://0/", "http://a:0/", "http://a\\b", "//a/", "http://a/ ", "a")),
    ],
)
def test_what_is_plainly_wrong_does_not(kind: str, text: str) -> None:
    pattern, check = RULES[kind]
    assert not re.search(pattern, text)
    with pytest.raises(ValueError, match=r"."):
        check(text)


@pytest.mark.parametrize("kind", ["base64", "cron", "duration", "url"])  # hosts may stand among blanks
@settings(
    max_examples=share(1 / 4), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(data=st.data())
def test_no_text_is_accepted_that_does_not_match(kind: str, data: st.DataObject) -> None:
    """For texts near the pattern: one of it with a character changed."""
    pattern, check = RULES[kind]
    text = data.draw(st.from_regex(pattern, fullmatch=True).filter(lambda text: len(text) < 200))
    at = data.draw(st.integers(0, len(text)))
    changed = text[:at] + data.draw(st.text(max_size=1)) + text[at + 1 :]
    try:
        check(changed)
    except ValueError:
        return
    assert re.search(pattern, changed)
