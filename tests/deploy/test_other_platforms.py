"""Examples for ECS, Argo CD and Skaffold: AWS's own model accepts the tasks, and what the others name exists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from strangler.config.load import load
from tests.images.building import IMAGES

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TASKS = {path.name: json.loads(path.read_text()) for path in sorted((DEPLOY / "ecs").glob("*-task.json"))}
EVERY_TASK = pytest.mark.parametrize("name", TASKS)


def main_container(name: str) -> dict[str, Any]:
    """The container of a task that serves."""
    (found,) = [container for container in TASKS[name]["containerDefinitions"] if container["essential"]]
    assert isinstance(found, dict)
    return found


@EVERY_TASK
def test_ecs_accepts_a_task(name: str) -> None:
    operation = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    report = ParamValidator().validate(TASKS[name], operation.input_shape)
    assert not report.has_errors(), report.generate_report()


@EVERY_TASK
def test_containers_are_confined_and_know_no_secret(name: str) -> None:
    for container in TASKS[name]["containerDefinitions"]:
        assert container["readonlyRootFilesystem"] is True
        assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
        assert int(container["user"].split(":")[0]) > 1000
        assert "@sha256:" in container["image"]
        assert all("://" not in variable["value"] for variable in container.get("environment", []))
    assert main_container(name)["healthCheck"]["command"][:2] == ["CMD", "python3"]


def test_the_gateways_task_waits_for_its_end(tmp_path: Path) -> None:
    for file in (ROOT / "config" / "gateway.yaml", DEPLOY / "ecs" / "shutdown.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    snapshot = load(tmp_path, {}).snapshot
    container = main_container("gateway-task.json")
    assert snapshot.delay + snapshot.drain + 13 <= container["stopTimeout"] <= 120
    assert {"name": "STRANGLER_CONFIG", "value": "/etc/strangler"} in container["environment"]


def test_what_argo_cd_reads_exists() -> None:
    application = yaml.safe_load((DEPLOY / "kubernetes" / "argocd.yaml").read_text())
    (source,) = application["spec"]["sources"]
    chart = ROOT / source["path"]
    named = [*source["helm"]["valueFiles"], *(one["path"] for one in source["helm"]["fileParameters"])]
    assert [name for name in named if not (chart / name).exists()] == []
    (ignored,) = application["spec"]["ignoreDifferences"]
    assert ignored["jsonPointers"] == ["/spec/replicas"], "Argo CD would undo what the autoscaler does"


def test_what_skaffold_reads_exists() -> None:
    folder = DEPLOY / "kubernetes"
    skaffold = yaml.safe_load((folder / "skaffold.yaml").read_text())
    images = {image.name for image in IMAGES}
    for artifact in skaffold["build"]["artifacts"]:
        assert artifact["image"] in images
        dockerfile = artifact.get("docker", {}).get("dockerfile", "Dockerfile")
        assert (folder / artifact["context"] / dockerfile).exists()
    (release,) = skaffold["deploy"]["helm"]["releases"]
    named = [release["chartPath"], *release["valuesFiles"], *release["setFiles"].values()]
    assert [name for name in named if not (folder / name).exists()] == []
    assert all((folder / name).exists() for name in skaffold["manifests"]["rawYaml"])
