"""Limits on clients, users and failing tokens: https://www.rfc-editor.org/rfc/rfc6585#section-4 (429)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from healthvision.throttle import network_of
from tests.scoped import Site, site

Opened = Callable[..., AbstractAsyncContextManager[Site]]
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return lambda **settings: site(tmp_path, **settings)


async def until_refused(
    client: httpx.AsyncClient, url: str = "/fhir/Patient/none"
) -> tuple[int, httpx.Response]:
    """How many were answered otherwise before the first 429."""
    for number in range(50):
        answer = await client.get(url)
        if answer.status_code == 429:
            return number, answer
    raise AssertionError("nothing was refused")


async def test_a_client_that_asks_too_much_is_told_when_to_come_again(opened: Opened) -> None:
    async with opened(client_rate=5) as place:
        app = place.client(place.token("system/*.rs", client="greedy"))
        number, refused = await until_refused(app)
        assert number == 5
        assert 0 < int(refused.headers["retry-after"]) <= 60
        outcome = refused.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["code"] == "throttled"
        modest = place.client(place.token("system/*.rs", client="modest"))
        assert (await modest.get("/fhir/Patient/none")).status_code == 404


@pytest.mark.parametrize("url", ["/dicom-web/studies", "/api/v1/models", "/reports/none"])
async def test_every_room_counts_and_refuses(opened: Opened, url: str) -> None:
    async with opened(client_rate=3) as place:
        number, refused = await until_refused(place.client(place.token("system/*.rs")), url)
        assert number == 3
        assert refused.headers["retry-after"]


async def test_a_user_is_counted_over_all_clients(opened: Opened) -> None:
    async with opened(user_rate=4) as place:
        of_user = {"user": "Practitioner/1", "roles": frozenset({"clinician"})}
        one = place.client(place.token("user/*.rs", client="one", **of_user))
        two = place.client(place.token("user/*.rs", client="two", **of_user))
        for client in (one, two, one, two):
            assert (await client.get("/fhir/Patient/none")).status_code == 404
        assert (await one.get("/fhir/Patient/none")).status_code == 429
        other = place.client(
            place.token("user/*.rs", client="one", **of_user | {"user": "Practitioner/2"})
        )
        assert (await other.get("/fhir/Patient/none")).status_code == 404


async def test_the_deployments_own_tokens_are_not_counted(opened: Opened) -> None:
    async with opened(client_rate=1, user_rate=1) as place:
        for _ in range(5):
            assert (await place.client().get("/fhir/Patient/none")).status_code == 404


@pytest.fixture
async def flooded(opened: Opened) -> AsyncIterator[Site]:
    """A site that one address has sent more than enough wrong tokens, after others there had used right ones."""
    async with opened(failure_rate=5) as place:
        await place.client(address=HERE).get("/fhir/Patient/none")
        number, _ = await until_refused(place.client("wrong", HERE))
        assert number == 5
        yield place


async def test_guesses_from_an_address_end_even_where_one_is_right(flooded: Site) -> None:
    fresh = flooded.token("system/*.rs")
    refused = await flooded.client(fresh, HERE).get("/fhir/Patient/none")
    assert refused.status_code == 429
    assert refused.headers["retry-after"]


async def test_who_was_let_in_from_there_before_stays_in(flooded: Site) -> None:
    """So a flood through a proxy does not lock out those who use it too."""
    assert (await flooded.client(address=HERE).get("/fhir/Patient/none")).status_code == 404


async def test_other_addresses_notice_nothing(flooded: Site) -> None:
    fresh = flooded.token("system/*.rs")
    assert (await flooded.client(fresh, ELSEWHERE).get("/fhir/Patient/none")).status_code == 404
    assert (await flooded.client("wrong", ELSEWHERE).get("/fhir/Patient/none")).status_code == 401


async def test_to_send_no_token_is_no_guess(opened: Opened) -> None:
    async with opened(failure_rate=2) as place:
        for _ in range(5):
            answer = await place.client(None, HERE).get("/fhir/Patient/none")
            assert answer.status_code == 401


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_an_ipv6_household_is_one_address(address: str, network: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc6177"""
    assert network_of(address) == network
