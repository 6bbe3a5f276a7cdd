"""Wrong usage of the command: exit code 2, and a message that helps."""

import pytest
from click.testing import CliRunner

from taskrunner.cli.main import main

ONE = ["produce", "--url", "http://h/"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["server"], "no such command 'server', did you mean \"serve\"?"),
        (["xyz"], "no such command 'xyz'\n"),
        (["config", "chek"], 'did you mean "check"?'),
        (["db", "upgrad"], 'did you mean "upgrade"?'),
        (["produce", "--ulr", "x"], "'--url'"),
        (["produce"], "give --url, --executor or --file"),
        (
            [*ONE, "--header", "A: 1", "--header", "A: 2"],
            "--header: 'A' is given more",
        ),
        (
            [*ONE, "--header", "A: 1", "--header", "a: 2"],
            "headers: 'a' is given more",
        ),
        ([*ONE, "--label", "a=1", "--label", "a=2"], "--label: 'a' is given more"),
        ([*ONE, "--rules", "{"], "--rules: is not JSON"),
        ([*ONE, "--rules", "@none.json"], "--rules: cannot read 'none.json': No such file or directory\n"),
        ([*ONE, "--rules", '[{"when": {}, "then": "fail"}]'], "rules.0.when: must have a condition"),
        ([*ONE, "--retry-on", "404", "--fail-on", "404"], "retry_on and fail_on both have 404"),
        ([*ONE, "--header", "A"], "expected NAME:VALUE"),
        ([*ONE, "--api", "h"], "--api: must start with http://"),
        (["produce", "--url", "http://a/", "--url", "http://b/"], "--url is given more than once"),
        ([*ONE, "--wait-timeout", "5m"], "--wait-timeout needs --wait"),
        ([*ONE, "--wait", "--wait-timeout", "soon"], "must be seconds, or a duration such as 30s"),
        ([*ONE, "--dry-run", "--wait"], "--dry-run submits nothing that --wait could wait for"),
        ([*ONE, "--idempotency-key", " k"], "--idempotency-key: must be 1 to 255 visible ASCII"),
        (["produce", "--file", "-", "--idempotency-key", "k"], "--idempotency-key is for one task"),
        ([*ONE, "--fairness-key", " k"], "fairness_key: must be 1 to 255 visible ASCII"),
        ([*ONE, "--dedup-ttl", "1m"], "the other options that begin with --dedup need --dedup"),
        ([*ONE, "--dedup", "k", "--dedup-ttl", "31d"], "dedup.ttl: must be"),
        ([*ONE, "--callback-tls", "x"], "the other options that begin with --callback need --callback"),
        (["produce", "--file", "-", "--executor", "e", "--data", "-"], "--file and --data both name"),
        ([*ONE, "--again"], "--again is for --file"),
        ([*ONE, "--config", "x", "--api", "http://h/"], "--config has no effect on --api"),
        (["dead-letters", "requeue", "x", "--limit", "1"], "--limit is for conditions or --all"),
        (["tasks", "cancel"], "Error: give exactly one of: conditions or --all"),
        (["dead-letters", "requeue"], "Error: give exactly one of: ids, conditions or --all"),
        (["serve", "--port", "abc"], "--port: must be a whole number, got 'abc'"),
    ],
)
def test_wrong_usage_is_explained(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert message in result.output
