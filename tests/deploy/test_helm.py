"""The chart, by Helm's own engine, and its objects, by the schemas of Kubernetes and KEDA."""

from collections.abc import Iterator
from typing import Any

import helm_python
import kubernetes_manifests
import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication

KEDA = {"ScaledObject": ScaledObject, "TriggerAuthentication": TriggerAuthentication}
# The oldest that the chart allows, and the newest known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "keda": {"consumer": {"autoscaling": {"kind": "keda", "min": 0, "queues": ["reports"]}}},
    "small": {
        "api": {
            "replicas": 1,
            "grpc": False,
            "disruptionBudget": {"maxUnavailable": "50%"},
        },
        "consumer": {"autoscaling": {"kind": "none"}, "queues": ["high", "reports"], "replicas": 0},
        "migrate": {"enabled": False},
        "networkPolicy": {"enabled": False},
    },
    "openshift": {
        "image": {"repository": "registry.example/taskrunner", "digest": f"sha256:{'a' * 64}"},
        "imagePullSecrets": [{"name": "registry"}],
        "podSecurityContext": {"runAsUser": 1000650000, "fsGroup": 0},
        "podLabels": {"team": "red", "app.kubernetes.io/component": "other"},
        "podAnnotations": {"example.com/note": "1"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "priorityClassName": "low",
        "config": {"Rabbit": {"exchange": "shop"}, "Retry": {"max_attempts": 3}},
    },
}
every_choice = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())


def objects(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for text in kubernetes_manifests.rendered(values, namespace="queue").values():
        yield from yaml.safe_load_all(text)


def one(kind: str, values: dict[str, Any], name: str = "taskrunner-consumer") -> dict[str, Any]:
    (found,) = [each for each in objects(values) if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pods(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The specification of the pods of each part."""
    for each in objects(values):
        if each["kind"] in {"Deployment", "Job"}:
            yield each["spec"]["template"]["spec"]


@every_choice
def test_helm_lint_finds_nothing(values: dict[str, Any]) -> None:
    report = helm_python.lint(kubernetes_manifests.CHART, values, strict=True)
    # The only remark: a chart could have an icon.
    assert [each for each in report["messages"] if each["severity"] > 1] == []
    assert report["errors"] == []


@every_choice
def test_kubernetes_accepts_every_object(values: dict[str, Any]) -> None:
    """Strictly: a misspelt field, which a cluster may drop, is an error."""
    for each in objects(values):
        if model := KEDA.get(each["kind"]):
            read = model.model_validate(each)
            assert read.model_dump(by_alias=True, exclude_unset=True, mode="json") == each
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    "values",
    [
        {"consumer": {"autoscaling": {"kind": "vpa"}}},
        {"consumer": {"replica": 3}},
        {"consumer": {"shutdownGrace": "30s"}},
        {"api": {"disruptionBudget": {"minAvailable": 1}}},
        {"secret": {"keys": {"Logger.level": "level"}}},
        {"image": {"digest": "latest"}},
        {"networkPolicy": {"targetPorts": [0]}},
        {"config": {"Workers": {"max_workers": 100}}},
    ],
)
def test_values_that_mean_nothing_are_refused(values: dict[str, Any]) -> None:
    """The schema or the chart names the value, instead of a pod that does not start."""
    with pytest.raises(helm_python.HelmError, match=r"schema|additional|minimum|enum|valid|overridden"):
        kubernetes_manifests.rendered(values)


def settings_of_the_environment() -> list[str]:
    """The settings that the pods are given as environment variables, such as `Workers.max_workers`."""
    found = set()
    for pod in pods({"consumer": {"queues": ["high"]}}):
        for each in pod["containers"][0]["env"]:
            section, _, key = each["name"].removeprefix("TASKRUNNER_").removesuffix("_FILE").partition("__")
            if key:
                found.add(f"{section.capitalize()}.{key.lower()}")
    return sorted(found)


@pytest.mark.parametrize("setting", settings_of_the_environment())
def test_what_the_environment_sets_is_refused_below_config(setting: str) -> None:
    """The environment overrides the file, so that the setting would change nothing."""
    section, _, key = setting.partition(".")
    with pytest.raises(helm_python.HelmError, match=f"config.{setting} would be overridden: it is set by "):
        kubernetes_manifests.rendered({"config": {section: {key: 1}}})


def test_a_setting_without_a_key_of_the_secret_may_stand_below_config() -> None:
    values = {
        "secret": {"keys": {"Store.url": ""}},
        "config": {"Store": {"url": "sqlite:///tmp/tasks.db"}},
    }
    text = one("ConfigMap", values, "taskrunner")["data"]["config.yaml"]
    assert yaml.safe_load(text)["Store"] == values["config"]["Store"]


@every_choice
def test_pods_write_nothing_and_may_do_nothing(values: dict[str, Any]) -> None:
    for pod in pods(values):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        # Kubernetes would add TASKRUNNER_API_PORT and others, which are refused as misspelt settings.
        assert pod["enableServiceLinks"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@every_choice
def test_services_and_budgets_select_the_pods_of_their_part(values: dict[str, Any]) -> None:
    """A label of the user's cannot take a pod away from its Service."""
    by_name = {each["metadata"]["name"]: each for each in objects(values) if each["kind"] == "Deployment"}
    for each in objects(values):
        if each["kind"] in {"Service", "PodDisruptionBudget"}:
            selector = each["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            labels = by_name[each["metadata"]["name"]]["spec"]["template"]["metadata"]["labels"]
            assert selector.items() <= labels.items()


def test_kubernetes_waits_longer_than_a_process_drains() -> None:
    """SIGKILL must not come while requests or tasks under way still have time, whatever the values."""
    values = {"api": {"shutdownGrace": 40, "preStop": 7}, "consumer": {"shutdownGrace": 600}}
    graces = {}
    for name in ("taskrunner-api", "taskrunner-consumer"):
        pod = one("Deployment", values, name)["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        given = [each["value"] for each in container["env"] if each["name"].endswith("__SHUTDOWN_GRACE")]
        graces[name] = (given, pod["terminationGracePeriodSeconds"])
    assert graces == {"taskrunner-api": (["40"], 57), "taskrunner-consumer": (["600"], 615)}


def test_keda_counts_the_messages_of_each_queue() -> None:
    """The names of the queues follow from the name of the exchange."""
    values = {**VALUES["keda"], "config": {"Rabbit": {"exchange": "shop"}}}
    (trigger,) = one("ScaledObject", values)["spec"]["triggers"]
    assert trigger["metadata"]["queueName"] == "shop.reports"
    assert "replicas" not in one("Deployment", values)["spec"]


def test_the_manifests_are_those_of_the_chart() -> None:
    assert kubernetes_manifests.MANIFESTS.read_text() == kubernetes_manifests.manifests(), (
        "run: make kubernetes"
    )
