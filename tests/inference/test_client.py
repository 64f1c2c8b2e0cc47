"""The FHIR client: what it repeats, what it never repeats, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog

from inference.client import FhirClient, Patience
from inference.credential import BearerToken
from inference.errors import (
    Ambiguous,
    Busy,
    Conflict,
    InferenceError,
    Missing,
    NotAllowed,
    Refused,
    Unreachable,
)

BASE = "http://fhir.test/fhir"
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "required",
            "expression": ["Patient.name"],
            "details": {"text": "Jan Tester has no name"},
        }
    ],
}


class Server:
    """Answers in turn; the last answer again and again."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(server: Server) -> FhirClient:
    patience = Patience(tries=3, first_s=0.0)
    return FhirClient(
        BASE, BearerToken("secret"), patience=patience, transport=httpx.MockTransport(server)
    )


Ask = Callable[[FhirClient], Any]
READ: Ask = lambda c: c.read("Task", "1")  # noqa: E731
GUARDED: Ask = lambda c: c.update("Task", "1", b"{}", if_match="3")  # noqa: E731
PLAIN: Ask = lambda c: c.update("Task", "1", b"{}")  # noqa: E731
TRANSACTION: Ask = lambda c: c.transaction(b"{}")  # noqa: E731


@pytest.mark.parametrize("ask", [READ, GUARDED, PLAIN, TRANSACTION])
@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.ConnectError("no")])
async def test_what_was_not_carried_out_is_tried_again(ask: Ask, answer: Any) -> None:
    server = Server(answer, answer, httpx.Response(200, json={}))
    async with client(server) as fhir:
        await ask(fhir)
    assert len(server.requests) == 3


@pytest.mark.parametrize("ask", [GUARDED, TRANSACTION])
@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.ReadError("gone")])
async def test_what_may_have_been_carried_out_is_not(ask: Ask, answer: Any) -> None:
    server = Server(answer, httpx.Response(200, json={}))
    async with client(server) as fhir:
        with pytest.raises(Ambiguous):
            await ask(fhir)
    assert len(server.requests) == 1


@pytest.mark.parametrize("ask", [READ, PLAIN])
async def test_unless_doing_it_twice_is_doing_it_once(ask: Ask) -> None:
    server = Server(httpx.ReadError("gone"), httpx.Response(200, json={}))
    async with client(server) as fhir:
        await ask(fhir)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400), Refused),
        (httpx.Response(401), NotAllowed),
        (httpx.Response(403), NotAllowed),
        (httpx.Response(404), Missing),
        (httpx.Response(410), Missing),
        (httpx.Response(409), Conflict),
        (httpx.Response(412), Conflict),
        (httpx.Response(422, json=OUTCOME), Refused),
        (httpx.Response(429), Busy),
        (httpx.Response(302), Refused),
        (httpx.ConnectError("no"), Unreachable),
    ],
)
async def test_every_refusal_is_an_error_of_its_kind(
    answer: Any, error: type[InferenceError]
) -> None:
    async with client(Server(answer)) as fhir:
        with pytest.raises(error):
            await READ(fhir)


async def test_a_refusal_says_code_and_path_and_never_the_servers_words() -> None:
    async with client(Server(httpx.Response(422, json=OUTCOME))) as fhir:
        with pytest.raises(Refused) as refused:
            await READ(fhir)
    assert str(refused.value) == "the server answered 422 (required at Patient.name)"
    assert refused.value.issues[0].expression == ("Patient.name",)


async def test_an_answer_that_is_no_outcome_is_a_refusal_all_the_same() -> None:
    async with client(Server(httpx.Response(400, html="<h1>proxy</h1>"))) as fhir:
        with pytest.raises(Refused):
            await READ(fhir)


async def test_if_match_is_sent_and_the_etag_is_read() -> None:
    server = Server(httpx.Response(200, json={}, headers={"etag": 'W/"4"'}))
    async with client(server) as fhir:
        assert (await GUARDED(fhir)).version == "4"
    assert server.requests[0].headers["if-match"] == 'W/"3"'


async def test_the_credential_goes_to_its_own_server_alone() -> None:
    server = Server(httpx.Response(200, json={}))
    async with client(server) as fhir:
        await READ(fhir)
        assert server.requests[0].headers["authorization"] == "Bearer secret"
        assert fhir.credential_for(f"{BASE}/Binary/1") is not None
        for other in (
            "http://fhir.test.evil/fhir",
            "https://fhir.test/fhir",
            "http://fhir.test:8080/fhir",
            "http://fhir.test@evil/fhir",
        ):
            assert fhir.credential_for(other) is None


@pytest.mark.parametrize("id", ["../Patient", "a/b", "a?x=1", "", "x" * 65])
async def test_an_id_that_is_none_is_never_asked_for(id: str) -> None:
    server = Server(httpx.Response(200, json={}))
    async with client(server) as fhir:
        with pytest.raises(Refused):
            await fhir.read("Task", id)
    assert server.requests == []


async def test_logs_hold_no_url_and_no_content() -> None:
    server = Server(httpx.Response(503, text="Jan Tester"), httpx.Response(200, json={}))
    with structlog.testing.capture_logs() as lines:
        async with client(server) as fhir:
            await fhir.search("Patient", {"name": "Tester"})
    assert "Tester" not in str(lines)
    assert lines[0]["kind"] == "Patient"


def test_a_pause_grows_is_bounded_and_keeps_to_what_the_server_asked() -> None:
    patience = Patience(first_s=1, most_s=8)
    assert all(patience.pause_s(n, None) <= 8 for n in range(50))
    assert patience.pause_s(1, 30.0) == 30.0
    assert patience.pause_s(1, 1e9) == 60.0
