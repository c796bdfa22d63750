"""Before the load: does a contender do the whole job? A fast proxy that skips a part would win unfairly."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
import time
from dataclasses import dataclass

from benchmarks.origin import BODY
from benchmarks.processes import NotRunnable, Process
from benchmarks.workload import PERCENT, Credentials, Setting, prefixes, targets

CALLERS = 400
# Four standard deviations of a fair 25 % draw of 400 callers.
TOLERANCE = 9
_LOGGED_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class _Caller:
    """One kept-alive connection to a contender."""

    def __init__(self, setting: Setting) -> None:
        port = setting.port
        self._connection = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            if setting.certificate is None
            else http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=ssl._create_unverified_context())
        )

    def get(self, target: str, token: str | None = None, **headers: str) -> _Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        try:
            return self._ask(target, sent)
        except (ssl.SSLError, ConnectionError):
            # HAProxy 2.6 takes the error that a wrong signature leaves with OpenSSL for one of the TLS connection.
            self._connection.close()
            return self._ask(target, sent)

    def _ask(self, target: str, sent: dict[str, str]) -> _Answer:
        self._connection.request("GET", target, headers=sent)
        response = self._connection.getresponse()
        return _Answer(response.status, response.read())

    def close(self) -> None:
        self._connection.close()


def check(setting: Setting, process: Process, full_job: bool) -> None:
    """Return if the contender does the setting's job; raises NotRunnable that names what it does not do.

    Where `full_job` is false, passing on is all that it has to do.
    """
    full = setting.job == "full" and full_job
    caller = _Caller(setting)
    try:
        problems = _check_full(setting, caller) if full else _check_bare(caller)
        if full and not _has_logged(process):
            problems.append("writes no access log")
    except (OSError, http.client.HTTPException) as error:
        problems = [f"does not answer: {error!r}"]
    finally:
        caller.close()
    if problems:
        raise NotRunnable("does not do the job: " + "; ".join(problems))


def _check_bare(caller: _Caller) -> list[str]:
    answer = caller.get(targets(1)[0])
    return [] if answer == _Answer(200, BODY.encode()) else [f"answers {answer.status} {answer.body[:80]!r}"]


def _check_full(setting: Setting, caller: _Caller) -> list[str]:
    credentials = setting.credentials
    problems = []
    refused = {
        "no token": None,
        "an expired token": credentials.token(lifetime=-3600),
        "a token of another key": Credentials.create().token(),
    }
    for what, token in refused.items():
        if (status := caller.get(targets(setting.routes)[0], token).status) != 401:
            problems.append(f"answers {status} to {what}")
    good = credentials.token()
    for target in targets(setting.routes):
        answer = caller.get(target, good)
        if answer != _Answer(200, BODY.encode()):
            return [*problems, f"answers {answer.status} {answer.body[:80]!r} to {target}"]
    seen = _echo(caller, good, setting, X_Auth_Subject="admin")
    expected = {
        "subject": "user-17",
        "forwarded_proto": "http" if setting.certificate is None else "https",
        "forwarded_host": f"127.0.0.1:{setting.port}",
    }
    for name, value in expected.items():
        if seen[name] != value:
            problems.append(f"the origin sees {name} {seen[name]!r}, not {value!r}")
    # Envoy puts the machine's own address where the caller came over loopback; any address will do.
    if not _is_address(seen["forwarded_for"].rpartition(",")[2].strip()):
        problems.append(f"the origin sees forwarded_for {seen['forwarded_for']!r}")
    if len(seen["request_id"]) < 16:
        problems.append(f"the origin sees the request id {seen['request_id']!r}")
    return problems + _check_split(setting, caller)


def _check_split(setting: Setting, caller: _Caller) -> list[str]:
    extracted = 0
    for number in range(CALLERS):
        token = setting.credentials.token(f"user-{number}")
        sides = {_echo(caller, token, setting)["side"] for _ in range(3)}
        if len(sides) != 1:
            return [f"user-{number} is not always on one side"]
        extracted += sides == {"extracted"}
    share = 100 * extracted / CALLERS
    return [] if abs(share - PERCENT) <= TOLERANCE else [f"{share:.1f} % are on the extracted side"]


def _echo(caller: _Caller, token: str, setting: Setting, **headers: str) -> dict[str, str]:
    answer = caller.get(f"{prefixes(setting.routes)[0]}echo", token, **headers)
    if answer.status != 200:
        raise NotRunnable(f"does not do the job: answers {answer.status} to a good token")
    told: dict[str, str] = json.loads(answer.body)
    return told


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _has_logged(process: Process) -> bool:
    deadline = time.monotonic() + _LOGGED_WITHIN
    needle = b"/api/service"
    while time.monotonic() < deadline:
        if any(needle in path.read_bytes() for path in process.output.parent.glob("*.log")):
            return True
        time.sleep(0.05)
    return False
