"""``/reports/{id}``: a token shows what it shows on ``/fhir``; a signed link shows one report and what belongs to it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from healthvision.authentication import ReportLinks
from healthvision.keys import deployment_key, derived
from tests.scoped import Site, site

READS = "patient/DiagnosticReport.r patient/Binary.r"


def html(text: str, **members: object) -> dict[str, object]:
    data = base64.b64encode(f"<p>{text}</p>".encode()).decode()
    return {"resourceType": "Binary", "contentType": "text/html", "data": data, **members}


def report(x: str, subject: object, binary: str) -> dict[str, object]:
    return {
        "resourceType": "DiagnosticReport",
        "id": f"r{x}",
        "status": "preliminary",
        "code": {"text": "chest"},
        **({"subject": subject} if subject else {}),
        "presentedForm": [{"contentType": "text/html", "url": f"Binary/{binary}"}],
    }


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Site]:
    """Two patients with a report each, one report of nobody, and one whose form is another patient's."""
    async with site(tmp_path) as opened:
        operator = opened.client()
        for one in (
            {"resourceType": "Patient", "id": "a"},
            {"resourceType": "Patient", "id": "b"},
            html("of a", id="ha"),
            html("of b", id="hb", securityContext={"reference": "Patient/b"}),
            html("of nobody", id="hn"),
            report("a", {"reference": "Patient/a"}, "ha"),
            report("b", {"reference": "Patient/b"}, "hb"),
            report("n", None, "hn"),
            report("x", {"reference": "Patient/a"}, "hb"),
        ):
            stored = await operator.put(f"/fhir/{one['resourceType']}/{one['id']}", json=one)
            assert stored.status_code == 201, stored.text
        yield opened


async def linked(place: Site, signed: str, opened: str | None = None) -> httpx.Response:
    links = ReportLinks(derived(deployment_key(place.settings.data_dir), "report links"))
    return await place.client(None).get(f"/reports/{opened or signed}?{links.sign(signed)}")


@pytest.mark.parametrize(("id", "text"), [("ra", "of a"), ("rb", "of b"), ("rn", "of nobody")])
async def test_a_link_opens_its_report(place: Site, id: str, text: str) -> None:
    page = await linked(place, id)
    assert page.status_code == 200
    assert text in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


async def test_a_link_opens_no_other_report(place: Site) -> None:
    assert (await linked(place, "ra", "rb")).status_code == 401


async def test_a_link_shows_nothing_of_another_patient_that_its_report_points_at(
    place: Site,
) -> None:
    page = await linked(place, "rx")
    assert page.status_code == 404
    assert "of b" not in page.text


async def test_an_app_sees_the_page_of_its_own_patients_report_alone(place: Site) -> None:
    app = place.app_of("a", READS)
    assert (await app.get("/reports/ra")).status_code == 200
    hidden, absent = await app.get("/reports/rb"), await app.get("/reports/none")
    assert hidden.status_code == 404
    assert (hidden.content, dict(hidden.headers)) == (absent.content, dict(absent.headers))


async def test_a_page_takes_the_scopes_of_what_it_shows(place: Site) -> None:
    assert (await place.app_of("a", "patient/Binary.r").get("/reports/ra")).status_code == 403
    only_report = place.app_of("a", "patient/DiagnosticReport.r")
    assert (await only_report.get("/reports/ra")).status_code == 404
