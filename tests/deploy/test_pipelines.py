"""Pipelines for a fork: the schemas of GitHub and GitLab accept them, and what they call exists and works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.helm_program import HELM
from tests.deploy.schemas import refusal

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PIPELINES = ROOT / "deploy" / "pipelines"
GITHUB, GITLAB = PIPELINES / "github-actions.yml", PIPELINES / "gitlab-ci.yml"
BOTH = pytest.mark.parametrize("pipeline", [GITHUB, GITLAB], ids=lambda path: str(path.name))


@pytest.mark.parametrize(("pipeline", "schema"), [(GITHUB, "github-workflows"), (GITLAB, "gitlab-ci")])
def test_the_schema_accepts(pipeline: Path, schema: str) -> None:
    assert refusal(pipeline, schema) is None


@BOTH
def test_every_step_of_a_release_is_there(pipeline: Path) -> None:
    read = yaml.safe_load(pipeline.read_text())
    jobs = read.get("jobs", read)
    assert {"validate", "test", "plan", "build", "deploy"} <= set(jobs)


@BOTH
def test_files_that_are_named_exist(pipeline: Path) -> None:
    named = set(re.findall(r"\b((?:deploy|config)/[\w./-]*\w)", pipeline.read_text()))
    assert len(named) > 4
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@BOTH
def test_what_is_deployed_is_what_was_built(pipeline: Path) -> None:
    assert "image.digest=" in pipeline.read_text()
    assert "--rollback-on-failure" in pipeline.read_text()


def test_jobs_of_github_may_do_no_more_than_they_need() -> None:
    workflow = yaml.safe_load(GITHUB.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    # An expression inside of a script would run whatever a branch or a title contains.
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert not [script for script in scripts if "${{" in script]


@pytest.mark.skipif(not HELM.exists(), reason="helm is not installed: python -m tests.deploy.helm_program")
def test_a_plan_is_the_difference_in_the_cluster(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for folder in ("deploy", "config"):
        shutil.copytree(ROOT / folder, checkout / folder, symlinks=True)
    environment = {"PATH": f"{HELM.parent}:{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("git", "init", "-q")
    run("git", "add", "--all")
    run("git", "-c", "user.name=x", "-c", "user.email=x@shop.example", "commit", "-qm", "Before")
    assert "Nothing." in run("deploy/pipelines/plan.sh", "HEAD")
    configuration = checkout / "config" / "gateway.yaml"
    configuration.write_text(configuration.read_text().replace("percent: 10\n", "percent: 25\n"))
    plan = run("deploy/pipelines/plan.sh", "HEAD")
    assert "~ migration catalog: canary 10 % → 25 %" in plan
    assert "-          percent: 10" in plan
    assert "+          percent: 25" in plan
    assert "kind: Deployment" not in plan
    assert run("git", "worktree", "list").count("\n") == 1, "nothing is left behind"
