"""Lines in logfmt: one line per event, whatever is in it, which parsers read back."""

import io
import re
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.monitor.logfmt import logfmt
from taskrunner.monitor.logs import configure

_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("http://a/b?c", "http://a/b?c"),
        ("C:\\x", "C:\\x"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("one\ntwo\r\t", '"one\\ntwo\\r\\t"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("до свидания", '"до свидания"'),
        ("\udc80", "\\udc80"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (datetime(2030, 1, 1, tzinfo=UTC), "2030-01-01T00:00:00Z"),
        (("a", "b"), '"[\\"a\\",\\"b\\"]"'),
        ({"team": "red"}, '"{\\"team\\":\\"red\\"}"'),
    ],
)
def test_a_value_is_quoted_where_parsers_need_it(value: object, written: str) -> None:
    assert logfmt({"name": value}).decode() == f"name={written}"


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_breaks_out_of_its_value(texts: list[str]) -> None:
    """Neither into another line nor into another pair."""
    line = logfmt({f"f{number}": text for number, text in enumerate(texts)}).decode()
    assert "\n" not in line
    assert "".join(found[0] for found in _PAIR.finditer(line)) == line
    assert [name for name, _ in _PAIR.findall(line)] == [f"f{number}" for number in range(len(texts))]


@pytest.mark.usefixtures("logging_as_it_was")
def test_the_log_writes_logfmt_with_tracebacks_in_one_line() -> None:
    stream = io.BytesIO()
    configure("info", "logfmt", stream=stream)
    try:
        raise ValueError("no such thing")
    except ValueError:
        structlog.get_logger().error("loop_failed", service="relay", exc_info=True)
    (line,) = stream.getvalue().decode().splitlines()
    assert re.match(r"timestamp=\S+ level=error event=loop_failed service=relay exception=\"Traceback", line)
    assert "no such thing" in line
