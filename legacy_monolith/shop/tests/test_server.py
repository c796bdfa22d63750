"""The shop as gunicorn serves it: real processes, real sockets."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.test import SimpleTestCase

TIMEOUT = 30  # seconds


class Server(SimpleTestCase):
    port: int

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        environment = os.environ | {
            "DATABASE_PATH": str(Path(folder.name) / "shop.sqlite3"),
            "SHOP_DEVELOPMENT": "1",
            "BIND": "127.0.0.1:0",
            "PYTHONUNBUFFERED": "1",
        }
        base = settings.BASE_DIR
        for command in (["migrate", "-v0"], ["seed"]):
            subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=base, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120,
            )  # fmt: skip
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "shop.wsgi"],
            cwd=base, env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        cls.addClassCleanup(cls.stop, server)
        assert server.stderr is not None
        for line in server.stderr:
            if found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                cls.port = int(found[1])
                return
        raise AssertionError(f"gunicorn ended with {server.wait(TIMEOUT)}")

    @staticmethod
    def stop(server: "subprocess.Popen[str]") -> None:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=TIMEOUT)

    def setUp(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        self.addCleanup(self.connection.close)

    def get(self, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        return response, response.read()

    def test_a_connection_is_kept(self) -> None:
        self.get("/healthz")
        kept = self.connection.sock
        self.assertEqual(self.get("/healthz")[1], b'{"status":"ok"}')
        self.assertIs(self.connection.sock, kept)

    def test_static_files(self) -> None:
        for path in ("/static/shop/shop.css", "/static/admin/css/base.css"):
            response, body = self.get(path)
            self.assertEqual(response.status, 200)
            self.assertTrue(response.getheader("Content-Type", "").startswith("text/css"))
            self.assertIsNotNone(response.getheader("ETag"))
            self.assertTrue(body)
        self.assertEqual(self.get("/static/../manage.py")[0].status, 404)

    def test_head_and_304_leave_no_bytes_behind(self) -> None:
        path = "/api/catalog/products/1"
        tag = self.get(path)[0].getheader("ETag")
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT) as raw:
            start = f"{path} HTTP/1.1\r\nHost: localhost\r\n"
            raw.sendall(
                f"HEAD {start}\r\nGET {start}If-None-Match: {tag}\r\n\r\n"
                f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            received = b""
            while piece := raw.recv(65536):
                received += piece
        answers = re.split(rb"(?=HTTP/1\.1 \d{3} )", received)[1:]
        self.assertEqual([answer[9:12] for answer in answers], [b"200", b"304", b"200"])
        for answer in answers[:2]:
            self.assertEqual(answer.partition(b"\r\n\r\n")[2], b"")
        self.assertNotIn(b"Content-Length", answers[1])

    def test_a_chunked_body_arrives(self) -> None:
        body = json.dumps({"name": "alice", "password": "alice-password"}).encode()
        self.connection.request(
            "POST", "/api/auth/token", iter([body[:10], body[10:]]),
            {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, encode_chunked=True,
        )  # fmt: skip
        response = self.connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertEqual(json.loads(response.read())["token_type"], "Bearer")

    def test_a_chunked_body_without_end_is_refused_as_any_other(self) -> None:
        address = ("127.0.0.1", self.port)
        for path, status, code in (
            ("/api/orders", 401, "unauthorized"),
            ("/api/auth/token", 413, "too_large"),
            ("/api/nothing", 404, "not_found"),
        ):
            with self.subTest(path), socket.create_connection(address, timeout=TIMEOUT) as raw:
                raw.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n".encode()
                )
                # One piece of 64 KiB more than 8 MiB, and no end.
                raw.sendall((b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 129)
                response = http.client.HTTPResponse(raw)
                response.begin()
                self.assertEqual(response.status, status)
                self.assertEqual(json.loads(response.read())["error"]["code"], code)

    def test_long_targets_and_many_fields(self) -> None:
        target = "/api/catalog/products/1?x=" + "y" * 7974
        self.assertEqual(len(target), 8000)
        fields = {f"X-Field-{number}": "x" for number in range(120)} | {"X-Long": "x" * 16000}
        self.connection.request("GET", target, headers=fields)
        response = self.connection.getresponse()
        self.assertEqual((response.status, response.read()[:8]), (200, b'{"id":1,'))

    def test_forwarded_headers_count_for_nothing_by_default(self) -> None:
        forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Script-Name": "/x"}
        self.connection.request("GET", "/account", headers=forged)
        response = self.connection.getresponse()
        response.read()
        self.assertEqual(response.getheader("Location"), f"http://127.0.0.1:{self.port}/account/")

    def test_the_sample_home_page(self) -> None:
        response, body = self.get("/")
        self.assertEqual(response.status, 200)
        self.assertIn("Café au Lait Bowl", body.decode())
