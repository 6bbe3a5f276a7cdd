"""Durations: one grammar for options, settings and conditions."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.config import Config, load
from taskrunner.config.keys import section_models
from taskrunner.domain.duration import duration_text, has_units, read_duration

UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
# Settings that are numbers, but no times.
SHARES = {("Retry", "jitter"), ("Hosts", "share")}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("0", 0.0),
        ("2.5", 2.5),
        ("1e3", 1000.0),
        ("30s", 30.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("1d12h", 129_600.0),
        ("2w", 1_209_600.0),
        ("250ms", 0.25),
        ("1m500ms", 60.5),
        (" 5m ", 300.0),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "m", "10 m", "10M", "30m1h", "1h1h", "h1", "1h30", "-5m", "1,5h", "10min", "P1D", "1:30", "s"],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"such as 30s, 10m or 1h30m, got {text!r}")):
        read_duration(text)
    assert not has_units(text)


@given(st.lists(st.integers(0, 10**6), min_size=len(UNITS), max_size=len(UNITS)))
def test_the_parts_add_up(numbers: list[int]) -> None:
    """Units from the longest to the shortest, any of them left out."""
    parts = [(number, unit) for number, unit in zip(numbers, UNITS, strict=True) if number]
    if parts:
        text = "".join(f"{number}{unit}" for number, unit in parts)
        assert read_duration(text) == pytest.approx(sum(number * UNITS[unit] for number, unit in parts))


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    try:
        seconds = read_duration(text)
    except ValueError:
        seconds = 0.0
    assert isinstance(seconds, float)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86_400 * 12, "12d")],
)
def test_an_age_is_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (section, key)
        for section, model in section_models().items()
        for key, default in Config().redacted()[section].items()
        if isinstance(default, float) and (section, key) not in SHARES and key in model.model_fields
    ],
)
def test_every_setting_that_is_a_time_takes_units(section: str, key: str, tmp_path: Path) -> None:
    """In the environment and in the file alike; a wrong one is named."""
    default = Config().redacted()[section][key]
    name = f"TASKRUNNER_{section}__{key}".upper()
    by_environment = load(environ={name: f"{round(default * 1000)}ms"}, folder=tmp_path)
    assert by_environment.redacted()[section][key] == pytest.approx(default)
    (tmp_path / "config.yaml").write_text(f"{section}: {{{key}: {round(default * 1000)}ms}}")
    assert load(environ={}, folder=tmp_path).redacted()[section][key] == pytest.approx(default)
