"""The Helm chart rendered with each set of values, and its objects."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.helm_program import helm

ROOT = Path(__file__).parents[2]
HELM_FOLDER = ROOT / "deploy" / "helm"
CHART = HELM_FOLDER / "strangler"
VALUE_SETS = sorted(path.stem for path in (HELM_FOLDER / "values").glob("*.yaml"))
WITH_REFERENCE_CONFIGURATION = {"reference", "development"}
"""Sets of values for config/gateway.yaml; the others use the chart's own configuration."""

Object = dict[str, Any]


@cache
def rendered(values: str) -> str:
    """The manifests of a release named shop."""
    given = ["--values", HELM_FOLDER / "values" / f"{values}.yaml"]
    if values in WITH_REFERENCE_CONFIGURATION:
        given += ["--set-file", f"gateway.configuration={ROOT / 'config' / 'gateway.yaml'}"]
    if values == "development":
        given += ["--set-file", rf"gateway.files.jwks\.json={ROOT / 'config' / 'dev' / 'jwks.json'}"]
    done = helm("template", "shop", CHART, *given, cwd=HELM_FOLDER)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def objects(values: str) -> tuple[Object, ...]:
    """All objects of a release."""
    return tuple(found for found in yaml.safe_load_all(rendered(values)) if found)


def of_kind(values: str, kind: str) -> dict[str, Object]:
    """The objects of a kind, by name."""
    return {found["metadata"]["name"]: found for found in objects(values) if found["kind"] == kind}


def pod_of(deployment: Object) -> Object:
    """The pod that a deployment makes."""
    pod = deployment["spec"]["template"]["spec"]
    assert isinstance(pod, dict)
    return pod


def component_of(found: Object) -> str:
    """The part of the release that an object belongs to."""
    return str(found["metadata"]["labels"]["app.kubernetes.io/component"])


def selects(selector: dict[str, str], deployment: Object) -> bool:
    """Whether a selector matches the pods of a deployment."""
    return selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
