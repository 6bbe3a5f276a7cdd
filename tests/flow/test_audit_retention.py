"""The cleaner removes audit entries whose retention is over."""

from datetime import timedelta

from taskrunner.domain.keys.audit import AuditEntry, AuditSource, new_audit_id
from taskrunner.domain.tasks.settlement import RetentionSettings
from tests.flow.local_runner import LocalRunner


async def test_entries_go_after_their_retention(runner: LocalRunner) -> None:
    """A younger one stays."""
    now, keep = runner.clock.now(), timedelta(seconds=RetentionSettings().audit)
    entries = [
        AuditEntry(id=new_audit_id(at), at=at, source=AuditSource.CLI, action="pause", count=1)
        for at in (now - keep - timedelta(seconds=1), now - keep + timedelta(minutes=5))
    ]
    for entry in entries:
        await runner.store.append_audit(entry)
    await runner.make_cleaner().turn()
    assert list((await runner.store.audit_entries(limit=9, cursor=None)).items) == entries[1:]
