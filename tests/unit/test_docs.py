"""The documentation names only what exists: files, anchors, classes, settings, commands, make targets."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import status_diagram

from taskrunner.cli.main import main
from taskrunner.config import read

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "taskrunner"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        ROOT / "bench/README.md",
    ]
)
# Decisions and the changelog also speak of what was.
CURRENT_PAGES = [page for page in PAGES if page.parent.name != "decisions" and page.name != "CHANGELOG.md"]
CODE_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs/architecture.md", ROOT / "docs/where-is.md"]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"[\w.-]+(?:/[\w.*-]+)*(?:/|\.(?:py|lua|md|yaml|toml|sh|cfg|html))")
_MODULE = re.compile(
    r"(?:cli|demo|app|api|producer|consumer|brokers|stores|handlers|monitor|runtime|config|domain)/[\w/]+"
)
_CLASS = re.compile(r"(?:[A-Z][a-z0-9]+)+")
_SETTING = re.compile(r"([A-Z][a-z]+)\.([a-z_]+)")
_SHELL_COMMAND = re.compile(r"(?:\.venv/bin/)?(?:taskrunner|make) .*")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    return _SPAN.findall(prose(page))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings)


@cache
def classes() -> frozenset[str]:
    sources = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return frozenset(name for source in sources for name in re.findall(r"^class (\w+)", source, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and its fragment to a heading of that file."""
    broken = []
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, fragment = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (fragment and fragment not in anchors(path)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", CODE_PAGES, ids=page_id)
def test_named_files_exist(page: Path) -> None:
    """Each path in code style exists, from the root of the repository or from the package."""
    missing = []
    for span in spans(page):
        if _PATH.fullmatch(span) and "/" in span:
            found = any(any(base.glob(span.rstrip("/"))) for base in (ROOT, PACKAGE))
        elif _MODULE.fullmatch(span):
            found = (PACKAGE / f"{span}.py").exists() or (PACKAGE / span).is_dir()
        else:
            continue
        if not found:
            missing.append(span)
    assert missing == []


@pytest.mark.parametrize("page", CODE_PAGES, ids=page_id)
def test_named_classes_exist(page: Path) -> None:
    """Each name in camel case is a class of the package, or a section of the configuration."""
    known = classes() | read(None).config.redacted().keys()
    assert [span for span in spans(page) if _CLASS.fullmatch(span) and span not in known] == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=page_id)
def test_named_settings_exist(page: Path) -> None:
    """Each `Section.key` is a setting of the configuration."""
    sections = read(None).config.redacted()
    named = [match.groups() for match in map(_SETTING.fullmatch, spans(page)) if match]
    assert [(section, key) for section, key in named if key not in sections.get(section, {})] == []


def shell_commands(page: Path) -> Iterator[list[str]]:
    """The calls of `taskrunner` and `make` in code blocks and code style."""
    blocks = [
        block for language, block in _FENCE.findall(page.read_text(encoding="utf-8")) if language == "sh"
    ]
    for line in [*"".join(blocks).replace("\\\n", " ").splitlines(), *spans(page)]:
        if _SHELL_COMMAND.fullmatch(line) and "…" not in line:
            yield shlex.split(line.split("|")[0], comments=True)


def check_taskrunner(words: list[str]) -> str | None:
    """What is wrong with a call: an unknown command or option."""
    command: click.Command = main
    for position, word in enumerate(words):
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return f"no command {' '.join(words[: position + 1])!r}"
            command = found
    known = {name for parameter in command.params for name in parameter.opts + parameter.secondary_opts}
    known |= {"--help", "-h"}
    return next(
        (f"no option {word!r}" for word in words if word.startswith("--") and word not in known), None
    )


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=page_id)
def test_printed_commands_exist(page: Path) -> None:
    """Each call of `taskrunner` has known commands and options, each `make` a known target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = []
    for program, *words in shell_commands(page):
        if program == "make":
            named = [word for word in words if re.fullmatch("[a-z-]+", word)]
            wrong += [f"no target {target!r}" for target in named[:1] if target not in targets]
        elif problem := check_taskrunner(words):
            wrong.append(problem)
    assert wrong == []


def test_the_status_diagram_is_current() -> None:
    """docs/architecture.md has the diagram that scripts/status_diagram.py draws from the status table."""
    page = status_diagram.PAGE.read_text(encoding="utf-8")
    assert page == status_diagram.with_diagram(page), "run: python scripts/status_diagram.py"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="must contain the lines"):
        status_diagram.with_diagram("# No markers")
