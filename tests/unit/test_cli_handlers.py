"""`taskrunner executors check`: what modules register, and every way in which they cannot be used."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskrunner.cli.main import main

GOOD = """
from enum import Enum
from typing import TypedDict
from taskrunner.sdk import Exponential, handler
class Name(str, Enum):
    MOVE = "move"
print("imported")
class Move(TypedDict):
    to: str
@handler(Name.MOVE, retry=Exponential(attempts=3, base=2), timeout=5, schema=Move)
async def move(task):
    '''Moves things.

    And more.'''
"""
BAD = {
    "exits": ("import sys; sys.exit(4)", "cannot import exits: exits.py:1: SystemExit: 4"),
    "dies": ("import os; os._exit(4)", "importing dies ended the process (exit code 4)"),
    "broken": ("def f(:", "broken.py:1: invalid syntax"),
    "missing": ("import not_there", "cannot import missing: no module named not_there"),
    "leaks": ("raise OSError('password=hunter2')", "leaks.py:1: OSError: password=***"),
    "empty": ("", "empty: no handler is registered"),
    "twice": (
        "from taskrunner.sdk import handler\nfor _ in 'ab':\n    handler('a')(lambda task: None)",
        "is registered twice",
    ),
    "slow": (
        "from taskrunner.sdk import handler\nhandler('slow', timeout=80000)(lambda task: None)",
        "slow.py:2: handler 'slow': timeout: must be at most 900, got 80000",
    ),
    "stubborn": (
        "from taskrunner.sdk import Constant, handler\n"
        "handler('stubborn', retry=Constant(attempts=100000))(lambda task: None)",
        "max_attempts: must be at most 100, got 100000",
    ),
    "wordy": (
        "from taskrunner.sdk import handler\nhandler('wordy', description='x' * 5000)(lambda task: None)",
        "description: ",
    ),
    "unsound": ("from taskrunner.sdk import handler\n@handler('A')\ndef a(task): ...", "must be snake_case"),
}


def check(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(main, ["executors", "check", *arguments])


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "myapp").mkdir()
    (folder / "myapp" / "tasks.py").write_text(GOOD)
    for name, (source, _) in BAD.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def test_sound_handlers_are_listed(monkeypatch: pytest.MonkeyPatch, modules: Path) -> None:
    """Found from the current folder; what the module prints does not get among the answer."""
    result = check(monkeypatch, modules, "myapp.tasks")
    assert result.exit_code == 0
    header, line = result.stdout.splitlines()
    assert header.split() == ["NAME", "FUNCTION", "ATTEMPTS", "TIMEOUT", "SCHEMA", "DESCRIPTION"]
    assert line.split() == ["move", "async", "3", "5", "s", "Move", "Moves", "things."]


def test_handlers_are_listed_as_json(monkeypatch: pytest.MonkeyPatch, modules: Path) -> None:
    result = check(monkeypatch, modules, "myapp.tasks", "--json")
    found = json.loads(result.stdout)
    assert (found["name"], found["timeout"], found["max_attempts"]) == ("move", 5.0, 3)
    assert found["retry"]["base"] == 2.0
    assert found["schema"]["$defs"]["Move"]["required"] == ["to"]


OTHERS = {
    "nowhere": "cannot import nowhere: no module named nowhere; it is looked for in",
    "./myapp/tasks.py": "it is a path; give the name of the module, as in `import myapp.tasks`",
}


@pytest.mark.parametrize("name", [*BAD, *OTHERS])
def test_unusable_modules_are_refused(name: str, monkeypatch: pytest.MonkeyPatch, modules: Path) -> None:
    """With exit code 2 and a sentence that names the module and the fault, without its secrets."""
    told = BAD[name][1] if name in BAD else OTHERS[name]
    result = check(monkeypatch, modules, name)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "hunter2" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("mistake", [("--handlers", "broken"), ("--handlers", "nowhere"), ("--port", "none")])
def test_a_mistake_leaves_no_folder_behind(
    mistake: tuple[str, str], monkeypatch: pytest.MonkeyPatch, modules: Path, tmp_path: Path
) -> None:
    """`dev` makes its folder once it can start."""
    monkeypatch.chdir(modules)
    result = CliRunner().invoke(main, ["dev", "--data", str(tmp_path / "data"), *mistake])
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "data").exists()
