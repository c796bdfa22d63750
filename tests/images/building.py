"""Builds the images of the checkout without a registry: on a base made by debootstrap, with wheels fetched before.

Everything stays in `var/images` and in the container storage of this machine,
so a second run begins where the first one ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "var" / "images"
BASE = "localhost/strangler-base:bookworm"
BUILD = "localhost/strangler-base:bookworm-build"
TOOLS = ("debootstrap", "buildah", "podman", "runc", "nsenter")
STORAGE = ("--storage-driver", "vfs")


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its Dockerfile and context, relative to the checkout."""

    name: str
    file: str
    context: str = "."

    @property
    def tag(self) -> str:
        """What it is called in the local storage."""
        return f"localhost/{self.name}:proof"


IMAGES = (
    Image("strangler-gateway", "deploy/containers/gateway.Dockerfile"),
    Image("shop-monolith", "legacy_monolith/Dockerfile"),
    *(
        Image(f"shop-{path.parent.name}", f"extracted/{path.parent.name}/Dockerfile", f"extracted/{path.parent.name}")
        for path in sorted((ROOT / "extracted").glob("*/Dockerfile"))
    ),
)


def lacking() -> list[str]:
    """The programs that are not installed, all of them Debian packages."""
    return [tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """The standard output of a command, run so that others on this machine come first. Raises where it fails."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(
        ["nice", "-n", "15", *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def buildah(*arguments: str | Path) -> str:
    """Run buildah."""
    return run("buildah", *STORAGE, *arguments)


def exists(image: str) -> bool:
    """Whether the local storage has the image."""
    return image in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()


def make_bases() -> None:
    """Make the base image, Debian's Python and nothing else, and the one to build on, which has a compiler, too."""
    for image, packages in ((BASE, "python3,python3-venv,ca-certificates"), (BUILD, "gcc,libc6-dev,python3-dev")):
        if exists(image):
            continue
        if image == BASE:
            root = FOLDER / "rootfs"
            shutil.rmtree(root, ignore_errors=True)
            FOLDER.mkdir(parents=True, exist_ok=True)
            mirror = "http://deb.debian.org/debian"
            run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root, mirror)
            container = buildah("from", "scratch").strip()
            buildah("copy", "-q", container, root, "/")
            shutil.rmtree(root)
        else:
            container = buildah("from", BASE).strip()
            install = f"apt-get install -y -qq --no-install-recommends {packages.replace(',', ' ')}"
            buildah("run", "--isolation", "chroot", container, "sh", "-c", f"apt-get update -qq && {install}")
        buildah("commit", "-q", container, image)
        buildah("rm", container)


def fetch_wheels() -> Path:
    """Fetch what the images need into a folder, for the Python of this process; the folder."""
    wheels = FOLDER / "wheels"
    others = [path for folder in ("extracted", "packages") for path in sorted((ROOT / folder).glob("*/pyproject.toml"))]
    projects = [ROOT / "pyproject.toml", *others]
    stamp = wheels / ".complete"
    if stamp.exists() and all(stamp.stat().st_mtime > project.stat().st_mtime for project in projects):
        return wheels
    wheels.mkdir(parents=True, exist_ok=True)
    needed = ["cyclonedx-bom", "pip", "wheel"]
    for project in projects:
        read = tomllib.loads(project.read_text())
        needed += read["build-system"]["requires"]
        needed += read["project"]["dependencies"]
        needed += read["project"].get("optional-dependencies", {}).get("postgresql", [])
    needed += [
        line for line in (ROOT / "legacy_monolith" / "requirements.txt").read_text().splitlines() if line[0] != "#"
    ]
    # Of Debian's Python 3.11.2, whose patch version this process may not have.
    needed.append("async-timeout>=4.0.3")
    download = (sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "--dest", wheels)
    run(*download, "--constraint", ROOT / "constraints.txt", *needed)
    stamp.touch()
    return wheels


def build(image: Image, wheels: Path) -> None:
    """Build one image from its Dockerfile as it is."""
    ignore = ROOT / f"{image.file}.dockerignore"
    buildah(
        "bud",
        "-q",
        # HEALTHCHECK is no part of the OCI format.
        "--format=docker",
        "--isolation=chroot",
        f"--build-arg=BASE_IMAGE={BASE}",
        *([f"--build-arg=BUILD_IMAGE={BUILD}"] if "gateway" in image.file else []),
        "--build-arg=PIP_NO_INDEX=1",
        "--build-arg=PIP_FIND_LINKS=/wheels",
        f"--volume={wheels}:/wheels:ro",
        *([f"--ignorefile={ignore}"] if ignore.exists() else []),
        "-t",
        image.tag,
        "-f",
        ROOT / image.file,
        ROOT / image.context,
    )
