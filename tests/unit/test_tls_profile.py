"""TLS profiles: which URL may name one, and which gets one by its host."""

import pytest

from taskrunner.domain.errors import ScheduleInvalid, TaskInvalid
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.targets.tls_profile import profile_for
from taskrunner.domain.targets.url import parse_url
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits

HOSTS = {
    "anywhere": (),
    "below": ("*.a.example",),
    "deep": ("*.b.a.example",),
    "exact": ("x.b.a.example", "2001:db8::1"),
    "port": ("*.a.example:8443", "x.b.a.example:8443", "[2001:db8::1]:8443"),
}
LIMITS = TaskLimits(tls_profiles=HOSTS)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://c.a.example/", "below"),
        ("https://C.A.EXAMPLE:8080/", "below"),
        ("https://C.A.EXAMPLE:8443/", "port"),
        ("https://x.b.a.example:8443/", "port"),
        ("https://y.b.a.example:8443/", "deep"),
        ("https://[2001:db8::1]:8443/", "port"),
        ("https://c.a.example./", "below"),
        ("https://a.example/", None),
        ("https://xa.example/", None),
        ("https://c.a.example.evil/", None),
        ("https://c.b.a.example/", "deep"),
        ("https://x.b.a.example/", "exact"),
        ("https://[2001:db8::1]/", "exact"),
        ("http://c.a.example/", None),
        ("https://other.example/", None),
    ],
)
def test_a_host_gets_the_profile_that_says_it_most_closely(url: str, name: str | None) -> None:
    """Without being named, and only for https."""
    assert profile_for(parse_url(url), HOSTS) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://other.example/", "anywhere"),
        ("https://c.a.example/", "below"),
        ("https://c.a.example:8443/", "port"),
        ("https://a.example/", None),
    ],
)
def test_a_task_names_a_profile_that_fits(url: str, name: str | None) -> None:
    """One without hosts is for wherever a task leads."""
    assert TaskDraft.from_fields({"url": url, "tls": name}, LIMITS).tls == name


@pytest.mark.parametrize(
    ("url", "name", "told"),
    [
        (
            "https://a.example/",
            "anywere",
            "no TLS profile is configured by the name 'anywere', did you mean \"anywhere\"?",
        ),
        ("http://a.example/", "anywhere", "is for https, and the URL is http"),
        ("https://a.example/", "below", "names a TLS profile that is not for the host 'a.example', port 443"),
        (
            "https://c.a.example/",
            "port",
            "names a TLS profile that is not for the host 'c.a.example', port 443",
        ),
    ],
)
def test_a_task_that_names_another_is_refused(url: str, name: str, told: str) -> None:
    """When it is handed in, as a task, as the template of a schedule, and as a line of many."""
    with pytest.raises(TaskInvalid) as task:
        TaskDraft.from_fields({"url": url, "tls": name}, LIMITS)
    with pytest.raises(ScheduleInvalid) as schedule:
        ScheduleDraft.from_fields({"cron": "@daily", "task": {"url": url, "tls": name}}, LIMITS)
    with pytest.raises(TaskInvalid) as line:
        TaskDraft.base({"tls": name}, LIMITS).with_url(url, LIMITS)

    assert [(each.field, each.message) for each in task.value.errors] == [("tls", told)]
    assert [(each.field, each.message) for each in schedule.value.errors] == [("task.tls", told)]
    assert [(each.field, each.message) for each in line.value.errors] == [("tls", told)]


@pytest.mark.parametrize(
    ("url", "name"),
    [("https://a.example/", "anywere"), ("http://a.example/", "anywhere"), ("https://a.example/", "below")],
)
def test_a_callback_names_a_profile_that_fits_it(url: str, name: str) -> None:
    """It is held against the callback's URL, wherever the task leads."""
    fields = {"callback": {"url": url, "tls": name}}
    with pytest.raises(TaskInvalid) as task:
        TaskDraft.from_fields({"url": "https://x.a.example/", **fields}, LIMITS)
    assert [each.field for each in task.value.errors] == ["callback.tls"]
    with pytest.raises(TaskInvalid) as line:
        TaskDraft.base(fields, LIMITS).with_url("https://x.a.example/", LIMITS)
    assert [each.field for each in line.value.errors] == ["callback.tls"]

    fitting = {"callback": {"url": "https://y.a.example/", "tls": "below"}}
    draft = TaskDraft.base(fitting, LIMITS).with_url("http://other.example/", LIMITS)
    assert draft.callback is not None
    assert draft.callback.tls == "below"


def test_lines_that_fit_the_profile_are_taken() -> None:
    """What many share is checked without a host."""
    base = TaskDraft.base({"tls": "below"}, LIMITS)

    assert base.with_url("https://c.a.example/", LIMITS).tls == "below"
