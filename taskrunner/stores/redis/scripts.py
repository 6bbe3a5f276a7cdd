"""The Lua scripts: each file of `lua/` with what it shares, and the status table written out for Lua."""

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files

from taskrunner.domain.status import CLAIMABLE, LIVE, PUBLISHABLE, TERMINAL, Status

_SHARED = {
    "accept": ("create",),
    "save_schedule": ("create",),
    "list_schedules": ("schedule",),
    "due_schedules": ("schedule",),
    "settle": ("create", "retain"),
    "finish": ("create", "retain"),
    "inspect": ("lines",),
    "repair": ("lines",),
    "get_records": ("records",),
    "dead_letter": ("records", "letters"),
    "list_dead_letters": ("records", "letters"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script and the name under which a server caches it."""

    name: str
    source: str = field(repr=False)
    sha: str


class Scripts:
    """All scripts, read once."""

    def __init__(self) -> None:
        self.accept = _load("accept")
        self.mark_queued = _load("mark_queued")
        self.claim = _load("claim")
        self.renew = _load("renew")
        self.settle = _load("settle")
        self.take_due = _load("take_due")
        self.postpone = _load("postpone")
        self.finish = _load("finish")
        self.snooze = _load("snooze")
        self.still_running = _load("still_running")
        self.write_hosts = _load("write_hosts")
        self.live_hosts = _load("live_hosts")
        self.delete = _load("delete")
        self.past_deadline = _load("past_deadline")
        self.requeue = _load("requeue")
        self.get_records = _load("get_records")
        self.list_ids = _load("list_ids")
        self.count = _load("count")
        self.add_dead_messages = _load("add_dead_messages")
        self.dead_letter = _load("dead_letter")
        self.list_dead_letters = _load("list_dead_letters")
        self.remove_dead_message = _load("remove_dead_message")
        self.probe = _load("probe")
        self.prune = _load("prune")
        self.save_schedule = _load("save_schedule")
        self.list_schedules = _load("list_schedules")
        self.due_schedules = _load("due_schedules")
        self.delete_schedule = _load("delete_schedule")
        self.overdue = _load("overdue")
        self.inspect = _load("inspect")
        self.repair = _load("repair")


def _load(name: str) -> Script:
    folder = files(__package__) / "lua"
    parts = ("prelude", *_SHARED.get(name, ()), name)
    texts = [(folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts]
    source = "\n".join([_status_table(), *texts])
    return Script(name=name, source=source, sha=_sha1(source))


def _sha1(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def _status_table() -> str:
    sets = {"CLAIMABLE": CLAIMABLE, "PUBLISHABLE": PUBLISHABLE, "TERMINAL": TERMINAL}
    lines = [
        f"local {name} = {{ {', '.join(f'{status} = true' for status in sorted(statuses))} }}"
        for name, statuses in sets.items()
    ]
    live = ", ".join(f"'{status}'" for status in Status if status in LIVE)
    every = ", ".join(f"'{status}'" for status in Status)
    return "\n".join([*lines, f"local LIVE = {{ {live} }}", f"local STATUSES = {{ {every} }}"])
