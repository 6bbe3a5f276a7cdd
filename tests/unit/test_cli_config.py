"""The command: its help, its exit codes, and `config check` and `config show`."""

import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from taskrunner.cli import errors
from taskrunner.cli.main import COMMANDS, RootGroup, main
from taskrunner.domain.errors import (
    ApiUnfit,
    BrokerUnavailable,
    ConfigInvalid,
    FieldError,
    HostLimitUnknown,
    ScheduleUnknown,
    StateConflict,
    StoreUnfit,
    TaskInvalid,
    TaskrunnerError,
    TaskUnknown,
    TopologyConflict,
)
from taskrunner.version import __version__

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    # The environment of the test run may hold a configuration.
    for name in os.environ:
        if name.startswith(("TASKRUNNER_", "RABBITMQ_", "REDIS_", "WORKER_", "OUTBOX_", "MAX_RET", "RETRY_")):
            monkeypatch.delenv(name)

    def run(*args: str, **environ: str) -> Result:
        return CliRunner().invoke(main, args, env=environ)

    return run


def test_a_valid_configuration_is_confirmed(run: Run, tmp_path: Path) -> None:
    """`config check` names the file it read, or says that there was none, and exits with 0."""
    result = run("config", "check")
    assert (result.exit_code, result.stdout) == (0, "no file: the configuration is valid\n")
    (tmp_path / "config.yaml").write_text("Api: {port: 1}")
    assert run("config", "check").stdout == "config.yaml: the configuration is valid\n"
    (tmp_path / "other.yaml").write_text("")
    assert run("config", "check", "--config", "other.yaml").stdout.startswith("other.yaml: ")
    assert run("config", "check", TASKRUNNER_CONFIG="other.yaml").stdout.startswith("other.yaml: ")


def test_what_caps_the_workers_is_noted(run: Run, tmp_path: Path) -> None:
    """It is no error: `config check` exits with 0."""
    (tmp_path / "config.yaml").write_text("Rabbit: {prefetch: 40}")
    result = run("config", "check")
    assert result.exit_code == 0
    assert "note: Rabbit.prefetch (40) is less than Workers.max_workers (50)" in result.stderr


def test_each_error_of_a_configuration_is_a_line_on_stderr(run: Run, tmp_path: Path) -> None:
    """`check` and `show` exit with 2."""
    (tmp_path / "config.yaml").write_text("Rabbit: {adr: x}\nWorkers: {min_workers: 60}")
    for verb in ("check", "show"):
        result = run("config", verb)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.splitlines() == [
            'taskrunner: config.yaml: Rabbit.adr: unknown key, did you mean "addr"?',
            "taskrunner: config.yaml: Workers.min_workers: Workers.min_workers (60) must be at most "
            "Workers.max_workers (50): they are the ends of one range",
        ]


def test_a_missing_file_is_named(run: Run) -> None:
    """The message has the path; exit 2."""
    result = run("config", "check", "--config", "none.yaml")
    assert result.exit_code == 2
    assert result.stderr == "taskrunner: none.yaml: cannot be read: No such file or directory\n"


def test_show_prints_value_and_source_of_every_setting(run: Run, tmp_path: Path) -> None:
    """The output is YAML with masked secrets."""
    (tmp_path / "config.yaml").write_text("Redis: {password: hunter2}")
    result = run("config", "show", RABBITMQ_URL="amqp://me:hunter2@h/")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    assert '  password: "***"  # config.yaml:1\n' in result.stdout
    assert '  addr: ["amqp://***@h/"]  # environment RABBITMQ_URL\n' in result.stdout
    assert "  port: 8000  # default\n" in result.stdout
    assert yaml.safe_load(result.stdout)["Fetch"]["ports"] == [80, 443, 8080, 8443]


def test_show_can_be_json(run: Run) -> None:
    """`--json` prints the same values."""
    shown = run("config", "show", "--json").stdout
    assert yaml.safe_load(shown)["Workers"]["max_workers"] == 50


def test_the_output_of_show_is_a_configuration(run: Run, tmp_path: Path) -> None:
    """Without secrets to mask, `config check` accepts the output of `config show`."""
    (tmp_path / "shown.yaml").write_text(run("config", "show", RABBITMQ_URL="amqp://h/").stdout)
    assert run("config", "check", "--config", "shown.yaml").exit_code == 0


def test_help_lists_every_subcommand(run: Run) -> None:
    """`--help` shows each name with its summary from the table."""
    for args in (("--help",), ("-h",)):
        result = run(*args)
        assert result.exit_code == 0
        for name, (_, line) in COMMANDS.items():
            assert f"{name} " in result.stdout
            assert line in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_a_command(name: str) -> None:
    """Each entry of the table names a module that defines the command."""
    assert isinstance(RootGroup().get_command(click.Context(main), name), click.Command)


def test_version(run: Run) -> None:
    """`--version` prints the version of the package."""
    assert run("--version").stdout == f"taskrunner, version {__version__}\n"


@pytest.mark.parametrize("args", [("nonsense",), ("config", "nonsense"), ("config", "check", "--nonsense")])
def test_wrong_usage_exits_with_2(run: Run, args: tuple[str, ...]) -> None:
    """The usage is on stderr."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr


def fail_with(error: BaseException) -> Result:
    @click.group(cls=RootGroup)
    def group() -> None:
        raise error

    return CliRunner().invoke(group, ["config", "check"])


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (
            ConfigInvalid([FieldError(field="a", message="b"), FieldError(field="c", message="d")]),
            2,
            ["a: b", "c: d"],
        ),
        (TaskInvalid([FieldError(field="url", message="is required")]), 2, ["url: is required"]),
        (TaskUnknown("no task x"), 4, ["no task x"]),
        (StateConflict("is\n running"), 5, ["is running"]),
        (BrokerUnavailable("refused"), 3, ["refused"]),
        (TopologyConflict("queue x"), 3, ["queue x"]),
        (StoreUnfit("too old"), 3, ["too old"]),
        (ApiUnfit("a web shop"), 3, ["a web shop"]),
        (ScheduleUnknown("no schedule x"), 4, ["no schedule x"]),
        (HostLimitUnknown("no limit x"), 4, ["no limit x"]),
        (BrokenPipeError(), 141, ["the output was closed by its reader"]),
        (TaskrunnerError("other"), 1, ["other"]),
    ],
)
def test_an_error_sets_the_exit_code(error: Exception, code: int, lines: list[str]) -> None:
    """The class of the error decides; a traceback is never printed."""
    result = fail_with(error)
    assert result.exit_code == code
    assert result.stderr.splitlines() == [f"taskrunner: {line}" for line in lines]


def test_a_bug_names_its_file_and_line() -> None:
    """An unexpected exception is one line: internal error, place, type, message."""
    result = fail_with(KeyError("x"))
    assert result.exit_code == 1
    assert result.stderr.startswith("taskrunner: internal error in test_cli_config.py:")
    assert result.stderr.endswith(": KeyError: 'x'\n")


def test_an_interrupt_exits_with_130() -> None:
    """As shells expect, and without output."""
    for error in (KeyboardInterrupt(), click.Abort()):
        result = fail_with(error)
        assert (result.exit_code, result.output) == (errors.INTERRUPTED, "")


def test_click_reports_its_own_errors() -> None:
    """Click's exit codes are kept."""
    assert fail_with(click.UsageError("no")).exit_code == 2
    assert fail_with(click.ClickException("no")).exit_code == 1


@pytest.mark.parametrize("words", [("config", "check"), ("consume",), ("all",)])
def test_a_missing_file_of_a_tls_profile_is_named(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Commands that fetch read TLS files first: one line with key and path, exit 2."""
    (tmp_path / "config.yaml").write_text(f"Fetch: {{tls: {{internal: {{ca_file: {tmp_path}/ca.pem}}}}}}")

    result = run(*words)

    message = (
        f"taskrunner: Fetch.tls: internal.ca_file: cannot read {tmp_path}/ca.pem: No such file or directory\n"
    )
    assert (result.exit_code, result.stderr) == (2, message)
