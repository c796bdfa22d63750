"""A metric gate needs exactly one number of Prometheus; whatever else comes can't be measured, and says why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from strangler.control.rollouts import prometheus
from strangler.control.rollouts.plans import MetricQuery
from strangler.control.rollouts.prometheus import measure
from strangler.rollout.evidence import MetricValue, Unavailable
from tests.control.rollouts.stage import PLAIN, Gateway, document, play

URL = "http://prometheus.example:9090"
QUERY = MetricQuery(URL, 'sum(rate(failures_total{job="shop"}[5m]))')


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {"instance": str(number)}, "value": [1_800_000_000, v]} for number, v in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def measured(response: httpx.Response | Exception) -> MetricValue | Unavailable:
    async def ask() -> MetricValue | Unavailable:
        async with httpx.AsyncClient() as client:
            return await measure(client, QUERY)

    with respx.mock(assert_all_called=True) as mocked:
        route = mocked.get(f"{URL}/api/v1/query", params={"query": QUERY.query})
        route.mock(side_effect=response) if isinstance(response, Exception) else route.mock(return_value=response)
        return asyncio.run(ask())


@pytest.mark.parametrize(
    "document",
    [vector("0.015"), {"status": "success", "data": {"resultType": "scalar", "result": [1_800_000_000, "0.015"]}}],
)
def test_one_number_is_the_value(document: dict[str, Any]) -> None:
    value = measured(httpx.Response(200, json=document))
    assert isinstance(value, MetricValue)
    assert value.value == 0.015


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (httpx.Response(200, json=vector()), "Prometheus returned an empty vector"),
        (httpx.Response(200, json=vector("1", "2")), "Prometheus returned 2 series, and a gate needs exactly one"),
        (httpx.Response(200, json=vector("NaN")), "Prometheus returned NaN"),
        (httpx.Response(200, json=vector("+Inf")), "Prometheus returned an infinite number"),
        (
            httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": []}}),
            "Prometheus returned a matrix, and a gate needs one number",
        ),
        (
            httpx.Response(400, json={"status": "error", "error": "parse error at char 3"}),
            "Prometheus reports an error: parse error at char 3",
        ),
        (httpx.Response(502, text="<html>"), "Prometheus responded with status 502 and no result"),
        (httpx.Response(200, json=[1]), "Prometheus responded with status 200 and no result"),
        (httpx.ConnectError("connection refused"), "Prometheus can't be asked: ConnectError: connection refused"),
        (httpx.ReadTimeout(""), "Prometheus can't be asked: ReadTimeout"),
        (httpx.Response(200, content=b"x" * 1_048_577), "Prometheus sent more than 1048576 bytes"),
    ],
)
def test_anything_else_can_not_be_measured(response: httpx.Response | Exception, why: str) -> None:
    assert measured(response) == Unavailable(why)


def test_a_server_that_is_slow_can_not_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "DEADLINE", 0.2)

    async def ask() -> MetricValue | Unavailable:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            over.set()

        over = asyncio.Event()
        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with httpx.AsyncClient(timeout=5) as client:
            value = await measure(client, MetricQuery(f"http://127.0.0.1:{port}", "up"))
        await over.wait()
        server.close()
        return value

    assert asyncio.run(ask()) == Unavailable("Prometheus has not responded within 0.2 s")


CHECKOUT = f'checkout: {{prometheus: "{URL}", query: up, below: 0.02}}'
GATED = PLAIN.replace("latency: {enabled: false}", f"latency: {{enabled: false}}, {CHECKOUT}")


@pytest.mark.parametrize(
    ("value", "state", "missing"),
    [
        ("0.01", "canary", None),
        ("", "holding", "checkout can't be measured: Prometheus returned an empty vector"),
        ("0.02", "rolled back", "checkout fails: 0.02 is not below 0.02; a person has to resume it"),
    ],
)
def test_a_metric_gate_passes_holds_and_rolls_back(tmp_path: Path, value: str, state: str, missing: str | None) -> None:
    async def test(gateway: Gateway) -> None:
        with respx.mock as mocked:
            answer = vector(value) if value else vector()
            mocked.get(f"{URL}/api/v1/query").mock(return_value=httpx.Response(200, json=answer))
            for _ in range(8):
                await gateway.engine.metrics.ask(gateway.engine.plans)
                await gateway.turns(1)
        view = await gateway.view()
        assert view.state == state
        assert missing is None or view.missing == missing

    play(tmp_path / "gateway.yaml", test, document(GATED))
