"""The table of scopes in docs/api.md says what `api/auth/scopes.py` does."""

import re
from pathlib import Path

from taskrunner.api.auth.scopes import ROUTES, Needs
from taskrunner.domain.keys.api_key import Scope

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def words_for(needs: Needs) -> str:
    """How the table names what a route needs."""
    none = "no key" if needs.is_open else "any key"
    scopes = " and ".join(f"`{scope}`" for scope in needs.scopes) or none
    return f"{scopes}, unless `Monitor.auth` is `none`" if needs.monitor else scopes


def test_every_route_stands_with_its_scopes() -> None:
    """Each route once, in the row of what it needs."""
    section = PAGE.partition("### Scopes of each route")[2].partition("\n## ")[0]
    written = {
        route: cells[0]
        for cells in re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
        for route in re.findall(r"`([A-Z]+ /\S*)`", cells[1])
    }
    assert written == {f"{method} {path}": words_for(needs) for (method, path), needs in ROUTES.items()}


def test_every_scope_is_explained() -> None:
    section = PAGE.partition("## Authentication")[2].partition("### Scopes of each route")[0]
    assert re.findall(r"^\| `([a-z:]+)` \|", section, re.MULTILINE) == list(Scope)
