"""``/reports/{id}``: a DiagnosticReport's own HTML form, as a page for a person's browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from fhir_api.access import Authenticate, Caller
from fhir_api.api import Api
from fhir_api.errors import FhirError
from fhir_api.http import Request as FhirRequest
from fhir_api.http import Response as FhirResponse
from fhir_api.patient_policy import PATIENT
from fhir_api.routes import handle
from fhir_api.search.reference_target import target_of
from fhir_api.smart.scopes import resource_scopes
from healthvision.authentication import ReportLinks

SAFE_PAGE = {
    # The page is data out of the store: it may show its own pictures and styles, and do nothing else.
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


def report_route(
    api: Api,
    authenticate: Authenticate,
    links: ReportLinks,
    base_url: Callable[[Request], str],
) -> Route:
    """The route. A caller comes with a bearer token or with a signed link to this one report."""

    async def page(request: Request) -> Response:
        report_id = request.path_params["id"]
        try:
            caller = (
                await _reader_of(api, report_id)
                if links.allows(report_id, request.query_params)
                else await authenticate(dict(request.headers))
            )
        except FhirError as error:
            return PlainTextResponse(error.text, error.status, headers=dict(error.headers))
        read = partial(_read, api, caller, base_url(request))
        answer = await read(("DiagnosticReport", report_id), "application/fhir+json")
        if answer.status != 200:
            return PlainTextResponse("There is no such report for you.", answer.status)
        forms = orjson.loads(answer.body).get("presentedForm", [])
        url = next(
            (form["url"] for form in forms if form.get("contentType", "").startswith("text/html")),
            "",
        )
        type, _, binary_id = url.partition("/")
        html = await read((type, binary_id), "text/html") if type == "Binary" else None
        if html is None or html.status != 200:
            return PlainTextResponse("This report has no HTML form.", 404)
        return HTMLResponse(html.body, headers=SAFE_PAGE)

    return Route("/reports/{id}", page, methods=["GET"])


async def _reader_of(api: Api, report_id: str) -> Caller:
    """Whoever holds a link to a report: sees this one, and the bytes that belong to it or to its patient."""
    report = await api.store.read("DiagnosticReport", report_id)
    content = orjson.loads(report.content) if report and not report.deleted else {}
    literal = content.get("subject", {}).get("reference", "")
    about = target_of(literal, api.options.base_url)
    patient = (about.id or "") if about and about.type == PATIENT else ""
    level = "patient" if patient else "system"
    scopes = f"{level}/DiagnosticReport.r?_id={report_id} {level}/Binary.r"
    return Caller("report-link", frozenset(), scopes=resource_scopes(scopes), patient=patient)


async def _read(
    api: Api, caller: Caller, base_url: str, path: tuple[str, ...], accept: str
) -> FhirResponse:
    return await handle(
        api,
        FhirRequest(
            method="GET",
            path=path,
            query="",
            headers={"accept": accept},
            body=b"",
            caller=caller,
            base_url=base_url,
        ),
    )
