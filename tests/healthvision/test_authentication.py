"""Bearer tokens (RFC 6750) and links to one report."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_api.errors import FhirError
from healthvision.authentication import LINK_LIFETIME_S, ReportLinks, TokenAuthentication
from healthvision.keys import KEY_BYTES, deployment_key, derived

authenticate = TokenAuthentication("operators-token", "workers-token")


async def test_each_token_has_its_role() -> None:
    operator = await authenticate({"authorization": "Bearer operators-token"})
    assert operator.roles == {"operator"}
    worker = await authenticate({"authorization": "bearer workers-token"})
    assert worker.roles == {"worker"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer operators-toke",
        "Bearer operators-token2",
        "Basic operators-token",
        "operators-token",
        "Bearer \udcff",
    ],
)
async def test_anything_else_is_401_with_a_challenge(header: str) -> None:
    with pytest.raises(FhirError) as error:
        await authenticate({"authorization": header} if header else {})
    assert error.value.status == 401
    assert error.value.headers[0][0] == "WWW-Authenticate"
    assert "operators-token" not in str(error.value)


def test_a_link_opens_its_report_until_it_runs_out() -> None:
    links = ReportLinks(b"k" * 32)
    query = dict(pair.split("=") for pair in links.sign("r1", now_s=1000).split("&"))
    assert links.allows("r1", query, now_s=1000)
    assert not links.allows("r2", query, now_s=1000)
    assert not links.allows("r1", query, now_s=1001 + LINK_LIFETIME_S)
    later = {**query, "expires": str(int(query["expires"]) + 1)}
    assert not links.allows("r1", later, now_s=1000)
    assert not ReportLinks(b"other" * 8).allows("r1", query, now_s=1000)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"expires": "x"},
        {"expires": "9" * 40, "signature": "é"},
        {"expires": "99999999999", "signature": ""},
    ],
)
def test_nonsense_opens_nothing(query: dict[str, str]) -> None:
    assert not ReportLinks(b"k" * 32).allows("r1", query)


def test_the_deployments_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    key = deployment_key(tmp_path / "data")
    assert len(key) == KEY_BYTES
    assert deployment_key(tmp_path / "data") == key
    assert (tmp_path / "data" / "deployment.key").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["deployment.key"]
    assert derived(key, "a") != derived(key, "b")
