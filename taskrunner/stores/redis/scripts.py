"""The Lua scripts: each file of `lua/`, with the shared files that its first line names.

Before them stand the status table and the names of stored fields, written out for Lua.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from taskrunner.domain.tasks.status import CLAIMABLE, LIVE, PUBLISHABLE, TERMINAL, Status
from taskrunner.stores.change_store import MOST_CHANGES
from taskrunner.stores.redis.fields import FIELDS, POSITIONS

_USES = re.compile(r"-- Uses (.*)\.\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script, and the name under which a server caches it."""

    name: str
    source: str = field(repr=False)
    sha: str


Scripts = Mapping[str, Script]


@cache
def read_scripts() -> Scripts:
    """All scripts by name. All stores of a process share them."""
    folder, tables = files(__package__) / "lua", _tables()
    shared = {path.name: path.read_text(encoding="utf-8") for path in (folder / "shared").iterdir()}
    found: dict[str, Script] = {}
    for path in folder.iterdir():
        if path.name.endswith(".lua"):
            text = path.read_text(encoding="utf-8")
            uses = _USES.match(text)
            parts = ["prelude", *(uses[1].split(", ") if uses else ())]
            source = "\n".join([tables, *(shared[f"{part}.lua"] for part in parts), text])
            name = path.name.removesuffix(".lua")
            sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            found[name] = Script(name=name, source=source, sha=sha)
    return MappingProxyType(found)


def _tables() -> str:
    sets = {"CLAIMABLE": CLAIMABLE, "PUBLISHABLE": PUBLISHABLE, "TERMINAL": TERMINAL}
    lists: dict[str, Iterable[str]] = {"LIVE": [each for each in Status if each in LIVE], "STATUSES": Status}
    lines = [_table(name, (f"{each} = true" for each in sorted(found))) for name, found in sets.items()]
    lines += [_table(name, (f"'{each}'" for each in found)) for name, found in (lists | FIELDS).items()]
    for name, names in POSITIONS.items():
        places = (f"{each} = {place}" for place, each in enumerate(names))
        lines.append(_table(name, (*places, f"size = {len(names)}")))
    lines.append(f"local MOST_CHANGES = '{MOST_CHANGES}'")
    return "\n".join(lines)


def _table(name: str, entries: Iterable[str]) -> str:
    return f"local {name} = {{ {', '.join(entries)} }}"
