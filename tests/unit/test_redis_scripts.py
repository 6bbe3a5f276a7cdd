"""The Lua scripts agree with the domain and with each other."""

import re
from importlib.resources import files

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, FOLLOWERS, LIVE, PUBLISHABLE, TERMINAL, Status
from taskrunner.stores.redis.scripts import Script, read_scripts

LUA = files("taskrunner.stores.redis") / "lua"
COMMAND = re.compile(r"call\(\s*'([A-Z]+)'")
SENT = re.compile(r"send\('([A-Z]+)'")


SCRIPTS = read_scripts()


def texts() -> dict[str, str]:
    found = [path for folder in (LUA, LUA / "shared") for path in folder.iterdir() if path.is_file()]
    return {path.name: path.read_text() for path in found}


def table(source: str, name: str) -> set[str]:
    found = re.search(rf"^local {name} = {{(.*)}}$", source, re.MULTILINE)
    assert found is not None
    return set(re.findall(r"\w+(?= = true)|(?<=')\w+(?=')", found[1]))


def test_scripts_have_the_status_table_of_the_domain() -> None:
    """What Lua may do is what the table allows."""
    source = SCRIPTS["claim"].source
    assert table(source, "CLAIMABLE") == {s for s in Status if Status.RUNNING in FOLLOWERS[s]} == CLAIMABLE
    assert table(source, "PUBLISHABLE") == PUBLISHABLE
    assert table(source, "TERMINAL") == TERMINAL
    assert table(source, "LIVE") == LIVE


def test_statuses_in_scripts_exist() -> None:
    """A status that is written out in Lua is one of the domain's."""
    named = {
        word for text in texts().values() for word in re.findall(r"(?:status|\[1\]) [=~]= '(\w+)'", text)
    }
    assert named
    assert named <= set(Status)


def test_waiting_statuses_may_fail() -> None:
    """The script that fails waiting tasks takes them for the claimable ones."""
    assert {s for s in LIVE - {Status.RUNNING} if Status.FAILED in FOLLOWERS[s]} == CLAIMABLE


def test_the_probe_runs_every_command() -> None:
    """A server that forbids one is found out before the first change."""
    used = {command for text in texts().values() for command in COMMAND.findall(text) + SENT.findall(text)}
    assert used == set(COMMAND.findall(texts()["probe.lua"]))


@pytest.mark.parametrize("script", list(SCRIPTS.values()), ids=lambda s: s.name)
def test_no_script_names_a_key_outside_the_prefix(script: Script) -> None:
    """Every key is built in one place, from the one key that is declared."""
    assert script.source.count("KEYS[") == 1
    assert len(script.sha) == 40


def test_every_script_is_run_by_one_part() -> None:
    """A script and the method that runs it cannot lose each other."""
    parts = [path.read_text() for path in files("taskrunner.stores.redis").iterdir() if path.is_file()]
    run = re.findall(r"""\brun(?:_batch)?\(\s*"(\w+)\"""", "\n".join(parts))
    assert set(run) | {"probe"} == set(SCRIPTS)


def test_every_shared_file_is_used() -> None:
    """No Lua lies about that nothing loads."""
    sources = "\n".join(script.source for script in SCRIPTS.values())
    assert [name for name, text in texts().items() if text not in sources] == []
