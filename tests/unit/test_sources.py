"""What holds for all source files: each can be read at once, and each class has a name of its own."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("taskrunner", "tests", "bench", "scripts", "examples")
ENDINGS = {".py", ".lua", ".sh"}
MOST_LINES = 350
MOST_LINES_OF_A_FUNCTION = 50
# Its one function is the list of all tables.
TABLES = "taskrunner/stores/sql/migrations/versions/v0001_first.py"
# Names that the SDK gives its users.
SHARED_NAMES = {"Task", "Handler"}


def sources(folder: str) -> list[Path]:
    """Those that people write: `v1` is made by `make proto`, and packages are installed."""
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in ENDINGS]
    made = {ROOT / "taskrunner/v1", ROOT / "bench/.venv"}
    return [path for path in files if made.isdisjoint(path.parents) and "node_modules" not in path.parts]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_too_long(folder: str) -> None:
    """A file that reaches the limit is several files: split it where its parts meet."""
    lines = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in sources(folder)}
    assert lines
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    """A function of the package aims at 8 lines and stops at 50, not counting its list of parameters."""
    long = {}
    for path in sources("taskrunner"):
        name = str(path.relative_to(ROOT))
        if path.suffix != ".py" or name == TABLES:
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.body[-1].end_lineno or 0) - node.body[0].lineno + 1
                if count > MOST_LINES_OF_A_FUNCTION:
                    long[f"{name}: {node.name}"] = count
    assert long == {}


def test_no_two_classes_share_a_name() -> None:
    classes = Counter(
        node.name
        for path in sources("taskrunner")
        if path.suffix == ".py"
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in classes.items() if count > 1} - SHARED_NAMES == set()
