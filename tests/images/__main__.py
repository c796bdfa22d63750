"""`make images`: build every image of the checkout, run them, and write what was found into docs/containers.md.

Needs root and the Debian packages debootstrap, buildah, podman, runc and
util-linux. The first run takes about ten minutes, later ones a few.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import monotonic

from tests.images.building import BASE, IMAGES, build, buildah, exists, fetch_wheels, lacking, make_bases
from tests.images.proofs import PROOFS

BEGIN, END = "<!-- make images -->\n", "<!-- end -->\n"


def main() -> int:
    """Build, run, report; 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument("--write", type=Path, help="the page whose table gets the results")
    parser.add_argument("--only", default="", help="run only the proofs whose name contains this")
    parser.add_argument("--keep", action="store_true", help="build only images that are not there yet")
    chosen = parser.parse_args()
    if missing := lacking():
        print(f"not installed: {', '.join(missing)}. On Debian: apt-get install debootstrap buildah podman runc")
        return 1
    if os.geteuid() != 0:
        print("debootstrap and buildah's chroot isolation need root")
        return 1
    rows: list[str] = []
    make_bases()
    wheels = fetch_wheels()
    for image in IMAGES:
        if not (chosen.keep and exists(image.tag)):
            began = monotonic()
            build(image, wheels)
            print(f"built {image.name} in {monotonic() - began:.0f} s", flush=True)
        rows.append(f"| `{image.file}` builds | {_size(image.tag)} |")
    failed = False
    for name, proof in PROOFS.items():
        if chosen.only not in name:
            continue
        began = monotonic()
        try:
            result = proof()
        except (AssertionError, RuntimeError) as error:
            failed = True
            result = f"**failed**: {error}"
        print(f"{name}: {result} ({monotonic() - began:.0f} s)", flush=True)
        rows.append(f"| {name} | {result} |")
    if chosen.write is not None and not failed:
        page = chosen.write.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen.write.write_text(f"{before}{BEGIN}| | found |\n|---|---|\n" + "\n".join(rows) + f"\n{END}{after}")
    return int(failed)


def _size(tag: str) -> str:
    # A line for each name that the same image has.
    size, *_ = buildah("images", "--format", "{{.Size}}", tag).splitlines()
    base, *_ = buildah("images", "--format", "{{.Size}}", BASE).splitlines()
    return f"{size}, of which {base} are Debian's base"


if __name__ == "__main__":
    sys.exit(main())
