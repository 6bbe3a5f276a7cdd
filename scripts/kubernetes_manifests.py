#!/usr/bin/env python3
"""Write deploy/kubernetes/taskrunner.yaml: the objects of the Helm chart, for clusters without Helm.

Needs the packages of requirements/deploy.txt: `make kubernetes`.
"""

from pathlib import Path
from typing import Any

import helm_python

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "helm" / "taskrunner"
MANIFESTS = ROOT / "deploy" / "kubernetes" / "taskrunner.yaml"

_HEAD = """\
# Made from deploy/helm/taskrunner by `make kubernetes`, with the default values. See docs/deploying.md.
"""


def rendered(values: dict[str, Any] | None = None, *, namespace: str = "default") -> dict[str, str]:
    """The text of each template that Helm renders, by its name. Raises `helm_python.HelmError`."""
    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(values or {}, name="taskrunner", namespace=namespace)
    found = {Path(name).name: text.strip() for name, text in sorted(texts.items())}
    return {name: text for name, text in found.items() if name.endswith(".yaml") and text}


def manifests() -> str:
    """All objects in one text, in the order of the templates' names."""
    return _HEAD + "".join(f"---\n{text}\n" for text in rendered().values())


if __name__ == "__main__":
    MANIFESTS.write_text(manifests(), encoding="utf-8")
