"""Whatever comes, the server answers, keeps nothing and does not grow."""

import asyncio
import resource

import httpx2 as httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from mien.faces import WholeFinder
from mien.serve.app import create_app
from mien.serve.limits import Limits
from mien.serve.service import Service
from tests.serve.conftest import png
from tests.serve.test_chat import shown
from tests.serve.test_server import running

TOKEN = "a-token-of-tests"
CASES = 200
"""For each operation without a body; three times as many for the others."""


@pytest.mark.slow
def test_no_request_breaks_the_server(service):
    app = create_app(service, token=TOKEN, hosts=None)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {o.path for o in operations} >= {"/v1/chat/completions", "/v1/analyze", "/v1/models"}
    for operation in operations:
        cases = 3 * CASES if operation.method == "post" else CASES

        @given(case=operation.as_strategy())
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def holds(case):
            if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
                case.body["model"] = "tiny"  # or little would get further
            answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

        holds()


def _memory() -> float:
    """Most megabytes of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.slow
def test_a_thousand_requests_at_once(responder):
    service = Service([responder], finder=WholeFinder, limits=Limits(requests=64))
    kinds = 20
    bodies = [{"model": "tiny", "messages": [shown(n)], "max_tokens": 20} for n in range(kinds)]
    files = [png(n) for n in range(kinds)]

    async def all_at_once(address):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=300) as client:

            async def ask(number):
                kind = number % kinds
                if number % 2:
                    answer = await client.post("/v1/chat/completions", json=bodies[kind])
                else:
                    answer = await client.post(
                        "/v1/analyze",
                        files=[("files", ("a.png", files[kind]))],
                        data={"faces": "whole", "numbers": "true"},
                    )
                return kind, answer

            alone = [await ask(number) for number in range(2 * kinds)]
            before = _memory()
            crowd = await asyncio.gather(*map(ask, range(1000)))
            return alone, crowd, _memory() - before

    with running(service) as (address, _):
        alone, crowd, growth = asyncio.run(all_at_once(address))
        assert service.desk.requests == service.desk.held_bytes == 0
    wanted = {}
    for number, (kind, answer) in enumerate(alone):
        assert answer.status_code == 200
        wanted[kind, number % 2] = _said(answer)
    served = 0
    for number, (kind, answer) in enumerate(crowd):
        assert answer.status_code in (200, 429)
        if answer.status_code == 429:
            assert answer.headers["retry-after"]
            continue
        served += 1
        text, scores = _said(answer)
        same_text, same_scores = wanted[kind, number % 2]
        assert text == same_text
        assert scores == pytest.approx(same_scores, abs=1e-4)
    assert served >= 64
    assert growth < 300


def _said(answer):
    data = answer.json()
    if "choices" in data:
        message = data["choices"][0]["message"]
        return message["content"], message["mien"]["expression"]["scores"]
    (row,) = data["data"]
    return row["text"], row["expression"]["scores"]
