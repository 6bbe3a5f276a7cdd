"""`Fetch.mask_headers` in the commands: what they print has no value of these headers."""

from pathlib import Path

from tests.system.harness.command_line import run

SECRET = "s3cret"


def test_no_command_prints_a_masked_header(tmp_path: Path) -> None:
    """Tasks, attempts and schedules, in every form."""
    settings: dict[str, object] = {
        "STORE__URL": f"sqlite:///{tmp_path}/x.db",
        "RABBIT__ADDR": "memory://",
        "FETCH__MASK_HEADERS": "X-Other,x-tenant",
    }
    header = ("--header", f"X-Tenant: {SECRET}")
    url = ("--url", "http://target.test/")
    assert run(tmp_path, settings, "db", "upgrade").returncode == 0
    task_id = run(tmp_path, settings, "produce", *url, *header).stdout.split()[0]

    printed = [
        run(tmp_path, settings, *words)
        for words in (
            ("task", "show", task_id),
            ("tasks", "list", "--json"),
            ("schedule", "create", "s", "--cron", "@daily", *url, *header, "--json"),
            ("schedule", "show", "s"),
            ("schedule", "show", "s", "--json"),
            ("schedule", "list", "--json"),
        )
    ]

    assert [each.returncode for each in printed] == [0] * len(printed), [each.stderr for each in printed]
    assert all('"***"' in each.stdout for each in printed)
    assert not any(SECRET in each.stdout + each.stderr for each in printed)
