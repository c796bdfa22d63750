"""Dockerfiles and the Compose file: what hadolint, Compose's schema and our own rules say of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from strangler.config.load import load
from tests.deploy.schemas import refusal
from tests.images.building import IMAGES

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCKERFILES = [image.file for image in IMAGES]
COMPOSE = ROOT / "deploy" / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
RUN_TO_THE_END = {name for name, service in OURS.items() if service.get("restart") == "on-failure"}


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and their arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / dockerfile).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if line]


def final_stage(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of what runs."""
    found = instructions(dockerfile)
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def test_every_dockerfile_is_among_the_images() -> None:
    found = {str(path.relative_to(ROOT)) for path in [*ROOT.glob("*/Dockerfile"), *ROOT.glob("*/*/*Dockerfile")]}
    # Only adds the configuration to the gateway's image.
    assert found - {"deploy/ecs/configured.Dockerfile"} == set(DOCKERFILES)


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [BIN / "hadolint", *DOCKERFILES, "deploy/ecs/configured.Dockerfile"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_a_base_can_be_pinned_by_argument(dockerfile: str) -> None:
    bases = [argument.split()[0] for name, argument in instructions(dockerfile) if name == "FROM"]
    assert set(bases) <= {"${BASE_IMAGE}", "${BUILD_IMAGE}"}
    assert bases[-1] == "${BASE_IMAGE}"
    assert len(bases) == 2


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_runs_is_no_root_and_needs_no_shell(dockerfile: str) -> None:
    found = final_stage(dockerfile)
    assert "RUN" not in {name for name, _ in found}
    (user,) = [argument for name, argument in found if name == "USER"]
    assert int(user.split(":")[0]) > 1000
    (check,) = [argument for name, argument in found if name == "HEALTHCHECK"]
    commands = [check.partition("CMD ")[2], *(argument for name, argument in found if name in ("ENTRYPOINT", "CMD"))]
    for command in commands:
        assert json.loads(command)[0] in ("python3", "strangler", "gunicorn", "serve", "run")


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_context_is_a_list_of_what_may_be_in_it(dockerfile: str) -> None:
    beside = ROOT / f"{dockerfile}.dockerignore"
    ignored = (beside if beside.exists() else ROOT / Path(dockerfile).parent / ".dockerignore").read_text().splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    allowed = tuple(line[1:] for line in ignored if line.startswith("!"))
    copied = [argument.split()[:-1] for name, argument in instructions(dockerfile) if name == "COPY"]
    sources = {source for words in copied if not words[0].startswith("--from") for source in words}
    assert sorted(source for source in sources - {"."} if not source.startswith(allowed)) == []


def test_compose_accepts_the_file() -> None:
    assert refusal(COMPOSE, "compose-spec") is None


def test_compose_has_every_image() -> None:
    built = {(ROOT / "deploy" / service["build"]["context"]).resolve() for service in OURS.values()}
    dockerfiles = {service["build"].get("dockerfile") for service in OURS.values()}
    for image in IMAGES:
        assert image.file in dockerfiles or (ROOT / image.context).resolve() in built, image.name


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_confined(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert name in RUN_TO_THE_END or "mem_limit" in service
    assert name in RUN_TO_THE_END or "stop_grace_period" in service


def test_ports_are_published_on_loopback_alone() -> None:
    assert all(str(port).startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))


def test_passwords_are_required_from_the_environment() -> None:
    text = COMPOSE.read_text()
    required = set(re.findall(r"\$\{([A-Z]+_PASSWORD):\?", text))
    assert set(re.findall(r"\$\{([A-Z]+_PASSWORD)", text)) == required
    example = (ROOT / "deploy" / "compose.env.example").read_text()
    assert set(re.findall(r"^([A-Z]+_PASSWORD)=$", example, re.MULTILINE)) == required
    values = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    assert not [value for value in values if re.search(r"://\w+:[^$@]*@", str(value))]


def test_the_gateway_accepts_its_configuration() -> None:
    environment = {
        name: re.sub(r"\$\{[^}]*\}", "x" * 64, value) for name, value in OURS["gateway"]["environment"].items()
    }
    mounted = {name: value.replace("/etc/strangler", str(ROOT / "config")) for name, value in environment.items()}
    load(ROOT / "config" / "gateway.yaml", mounted)


def test_what_compose_calls_exists() -> None:
    services = set(SERVICES)
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= services, name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (COMPOSE.parent / source).exists(), volume
