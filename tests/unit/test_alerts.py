"""Alerts and dashboards ask only for what is exposed, and each alert has a runbook."""

import re

import pytest
import yaml

from tests.tools.exposed import everything, families_of
from tests.tools.queries import ROOT, RULES, Query, alerts, panels

_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
# Those that Prometheus adds, and that of a bucket.
_ALWAYS = {"job", "instance", "le"}
_QUERIES = [*alerts(), *panels()]


@pytest.fixture
async def exposed() -> dict[str, set[str]]:
    """The labels of each name that a query may have."""
    families = families_of(await everything()).values()
    return {each.name + part: {*each.labels} for each in families for part in _PARTS[each.type]}


@pytest.mark.parametrize("query", _QUERIES, ids=[query.place for query in _QUERIES])
def test_a_query_names_metrics_and_labels_that_exist(query: Query, exposed: dict[str, set[str]]) -> None:
    if 'up{job="taskrunner"}' not in query.expression:
        assert query.selectors, query
    labels = set(_ALWAYS)
    for metric, matchers in query.selectors:
        assert metric in exposed, query
        assert matchers <= exposed[metric] | _ALWAYS, query
        labels |= exposed[metric]
    assert query.grouping <= labels, query


def test_each_alert_has_a_runbook() -> None:
    """Its section in docs/alerts.md, which the annotation names; and each section is of an alert."""
    text = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}
