"""What must hold of the images, each shown with containers: see `PROOFS`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from tests.e2e.waiting import wait_for
from tests.images.building import IMAGES, ROOT, Image
from tests.images.running import DEADLINE, Container, Options, folder_volume, once, podman

GATEWAY, MONOLITH = IMAGES[0], IMAGES[1]
USERS, CATALOG = (next(image for image in IMAGES if image.name == name) for name in ("shop-users", "shop-catalog"))
CONFIG = folder_volume(ROOT / "config", "/etc/strangler")
KEYS = folder_volume(ROOT / "config" / "dev", "/app/config/dev")
SLOW_UPSTREAM = """
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", flush=True)
        time.sleep(3)
        self.send_response(200); self.send_header("Content-Length", "4"); self.end_headers()
        self.wfile.write(b"done")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Slow).serve_forever()
"""
ORPHANS = """
import os, time
for _ in range(5):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.2)
        os._exit(0)
    os.wait()
"""
ZOMBIES = """
import pathlib
states = [path.read_text().rpartition(")")[2].split()[0] for path in pathlib.Path("/proc").glob("[0-9]*/stat")]
print(states.count("Z"))
"""


@contextmanager
def gateway(configuration: str) -> Iterator[Container]:
    """A healthy gateway with a configuration of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "gateway.yaml").write_text(configuration)
        with Container(GATEWAY.tag, options=Options(volumes=[folder_volume(path, "/etc/strangler")])) as container:
            container.wait_healthy()
            yield container


SLOW = 'version: 1\nupstreams: {slow: {endpoints: "http://127.0.0.1:9000"}}\ndefault: slow\n'


def healthy_and_confined() -> str:
    """Becomes healthy as an unknown user on a read-only root, and its memory limit is the kernel's."""
    with gateway(SLOW) as container:
        user, process = container.python("import os; print(os.getuid(), open('/proc/1/cmdline').read())").split(" ", 1)
        assert user == "1234567", user
        assert "strangler" in process, process
        written = container.python(
            "try: open('/opt/strangler/x', 'w')\nexcept OSError as error: print(type(error).__name__, error.errno)"
        )
        assert "30" in written, written
        assert container.state["HostConfig"]["Memory"] == 256 * 1024 * 1024
        version = container.python("import subprocess as s; print(s.check_output(['strangler', '--version']).decode())")
        assert "compiled" in version, version
        used = container.python(
            "import pathlib\n"
            "files = ('/sys/fs/cgroup/memory/memory.usage_in_bytes', '/sys/fs/cgroup/memory.current')\n"
            "print(next((pathlib.Path(f).read_text() for f in files if pathlib.Path(f).exists()), '0'))"
        )
        return f"user 1234567:0, read-only, 256 MB; uses {int(used) // 1_000_000} MB with one worker"


def drains() -> str:
    """A request in progress ends with its response after SIGTERM, and the exit code is 0."""
    with gateway(SLOW) as container, ExitStack() as stack:
        upstream = container.outside(SLOW_UPSTREAM, stack)
        assert upstream.stdout is not None
        wait_for(lambda: _listens(container, 9000), "the upstream", DEADLINE)
        client = container.outside(
            "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/slow', timeout=30).read())", stack
        )
        assert upstream.stdout.readline() == "asked\n"
        began = monotonic()
        code = container.stop(40)
        output, _ = client.communicate(timeout=30)
        assert output == "b'done'\n", output
        assert code == 0, container.logs
        return f"the request got its response, exit code 0, {monotonic() - began:.0f} s after SIGTERM"


def _listens(container: Container, port: int) -> bool:
    with ExitStack() as stack:
        probe = container.outside(f"import socket; socket.create_connection(('127.0.0.1', {port})); print(1)", stack)
        return probe.communicate(timeout=30)[0] == "1\n"


def reaps_orphans() -> str:
    """Processes whose parent has ended become children of process 1, which must not leave them as zombies."""
    with gateway(SLOW) as container:
        container.python(ORPHANS)
        wait_for(lambda: container.python(ZOMBIES).strip() == "0", "no zombie", DEADLINE)
        return "5 orphans, no zombie left"


def serves_the_reference_configuration() -> str:
    """Shop, services and gateway from their images, sharing one loopback, serve config/gateway.yaml."""
    data = "strangler-proof-data"
    podman("volume", "rm", "-f", data, check=False)
    development = ["SHOP_DEVELOPMENT=1"]
    shop = Options(512, [f"{data}:/data", KEYS], development)
    try:
        for command in (["migrate", "--no-input"], ["seed"]):
            once(MONOLITH.tag, ["python3", "manage.py", *command], shop)
        with Container(MONOLITH.tag, options=shop) as monolith, ExitStack() as stack:
            monolith.wait_healthy()
            shared = f"container:{monolith.id}"
            for image, more in ((USERS, ["JWKS=http://127.0.0.1:8100/.well-known/jwks.json"]), (CATALOG, [])):
                volumes = [f"{data}:/monolith", f"{image.name}-proof:/service/var"]
                options = Options(256, volumes, ["MONOLITH_DATABASE_URL=/monolith/shop.sqlite3", *more], shared)
                once(image.tag, ["fill"], options)
                stack.enter_context(Container(image.tag, options=options)).wait_healthy()
            settings = ["GATEWAY_STORE=sqlite:////tmp/evidence.sqlite3"]
            container = stack.enter_context(Container(GATEWAY.tag, options=Options(384, [CONFIG], settings, shared)))
            container.wait_healthy()
            checked = _checked(container)
            assert container.stop(40) == 0, container.logs
            return checked
    finally:
        for volume in (data, f"{USERS.name}-proof", f"{CATALOG.name}-proof"):
            podman("volume", "rm", "-f", volume, check=False)


def _checked(container: Container) -> str:
    status, page = container.request("http://127.0.0.1:8080/")
    assert status == 200, page
    status, products = container.request("http://127.0.0.1:8080/api/catalog/products")
    assert status == 200, products
    assert container.request("http://127.0.0.1:8080/api/users/me")[0] == 401
    state = json.loads(container.request("http://127.0.0.1:8081/status")[1])
    down = [check for check in state["health"] if not check["up"]]
    assert down == [], down
    assert state["ready"], state
    return f"shop 200, products 200, users without a token 401, {len(state['health'])} endpoints up"


def describes_itself() -> str:
    """Each image has a bill of materials of what is installed in it, and neither pip nor private keys."""
    parts = []
    for image in IMAGES:
        found = _inside(image)
        assert found["pip"] is False, image.name
        assert found["keys"] == [], found["keys"]
        assert found["components"] > 5, image.name
        parts.append(f"{image.name} {found['components']}")
    return f"components: {', '.join(parts)}"


_INSIDE = """
import importlib.util, json, pathlib
(bill,) = pathlib.Path("/opt").glob("*/sbom.cdx.json")
bill = json.loads(bill.read_text())
assert bill["bomFormat"] == "CycloneDX"
files = (file for top in ("/opt", "/app", "/service") for file in pathlib.Path(top).rglob("*.pem"))
found = {
    "components": len(bill["components"]),
    "keys": [str(file) for file in files if b"PRIVATE" in file.read_bytes()],
    "pip": importlib.util.find_spec("pip") is not None,
}
print(json.dumps(found))
"""


def _inside(image: Image) -> dict[str, Any]:
    output = podman("run", "--rm", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
                    "--read-only", "--entrypoint=python3", image.tag, "-c", _INSIDE)  # fmt: skip
    found = json.loads(output)
    assert isinstance(found, dict)
    return found


PROOFS: dict[str, Callable[[], str]] = {
    "runs confined": healthy_and_confined,
    "drains on SIGTERM": drains,
    "reaps orphans as process 1": reaps_orphans,
    "serves the reference configuration": serves_the_reference_configuration,
    "has a bill of materials": describes_itself,
}
