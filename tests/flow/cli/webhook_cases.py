"""Cases of the options of `taskrunner webhooks`."""

from collections.abc import Mapping
from typing import Any

from tests.flow.cli.harness import Case, Cli, lines

PUT = ("webhooks", "put", "ends", "--url", "https://hook.test/in")


def put(cli: Cli, *words: str) -> Any:
    (made,) = lines(cli.ok(*PUT, *words, "--json"))
    assert made == lines(cli.ok("webhooks", "show", "ends", "--json"))[0]
    return made


def of_filter(option: str, value: str, shown: Any) -> Case:
    def case(cli: Cli) -> None:
        name = option.removeprefix("--").replace("-", "_")
        assert put(cli, option, value)["filter"][name] == shown
        assert put(cli)["filter"][name] in (None, [])

    return case


def url(cli: Cli) -> None:
    """A put replaces what was there; the line for people tells the rest."""
    assert put(cli)["url"] == "https://hook.test/in"
    assert cli.ok("webhooks", "put", "ends", "--url", "https://b.test/", "--label", "a=1", "--disabled") == (
        "ends  https://b.test/  succeeded,failed,cancelled  label a=1  disabled\n"
    )
    assert cli.ok("webhooks", "list").startswith("ends  https://b.test/  ")
    assert cli.run("webhooks", "put", "ends", "--url", "https://b.test/?token=***").exit_code == 2
    assert cli.run("webhooks", "put", "a b", "--url", "https://b.test/").exit_code == 2
    cli.ok("webhooks", "delete", "ends")
    assert cli.ok("webhooks", "list") == ""
    for command in ("show", "delete"):
        result = cli.run("webhooks", command, "ends")
        assert (result.exit_code, "no webhook has the name" in result.stderr) == (4, True)


def names(option: str) -> Case:
    """Secrets and profiles are configured; here none is."""

    def case(cli: Cli) -> None:
        result = cli.run(*PUT, option, "none")
        assert (result.exit_code, option.removeprefix("--") in result.stderr) == (2, True)

    return case


def events(cli: Cli) -> None:
    assert put(cli, "--event", "failed", "--event", "succeeded")["events"] == ["succeeded", "failed"]
    assert put(cli, "--event", "deleted", "--event", "running")["events"] == ["running", "deleted"]
    assert cli.run(*PUT, "--event", "runnin").exit_code == 2


def enabled(cli: Cli) -> None:
    assert put(cli, "--disabled")["enabled"] is False
    assert put(cli, "--enabled")["enabled"] is True


WEBHOOK_CASES: Mapping[str, Case] = {
    "webhooks put --url": url,
    "webhooks put --secret": names("--secret"),
    "webhooks put --tls": names("--tls"),
    "webhooks put --event": events,
    "webhooks put --label": of_filter("--label", "team=red", ["team=red"]),
    "webhooks put --queue": of_filter("--queue", "high", "high"),
    "webhooks put --executor": of_filter("--executor", "resize_image", "resize_image"),
    "webhooks put --host": of_filter("--host", "a.test", "a.test"),
    "webhooks put --outcome": of_filter("--outcome", "timeout", "timeout"),
    "webhooks put --created-by": of_filter("--created-by", "web", "web"),
    "webhooks put --enabled": enabled,
    "webhooks put --disabled": enabled,
}
