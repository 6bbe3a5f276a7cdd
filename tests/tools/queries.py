"""The queries of the alerts and the dashboards, and what they name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
# A metric, with the label matchers of its selector.
_SELECTOR = re.compile(r"\b(taskrunner_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


class Query(NamedTuple):
    """`place` says where it stands."""

    place: str
    expression: str

    @property
    def selectors(self) -> list[tuple[str, set[str]]]:
        """Each metric with the labels that it is selected by."""
        found = _SELECTOR.findall(self.expression)
        return [(metric, set(_MATCHER.findall(matchers))) for metric, matchers in found]

    @property
    def grouping(self) -> set[str]:
        """The labels that results are grouped by."""
        return {label.strip() for part in _GROUPED.findall(self.expression) for label in part.split(",")} - {
            ""
        }


def alerts() -> Iterator[Query]:
    """The alerts by name."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield Query(rule["alert"], rule["expr"])


def panels() -> Iterator[Query]:
    """The queries of all panels and of the variables."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield Query(f"{path.stem}: {panel['title']}", target["expr"])
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield Query(f"{path.stem}: ${variable['name']}", variable["query"]["query"])
