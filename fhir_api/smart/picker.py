"""The pages on which a signed-in person chooses the patient: of a standalone launch, or in an emergency.

Each step is a POST of a form with that page's key, so nothing of a patient stands in a URL and no other page can
choose. What may be found here is what the person may see on ``/fhir``: the pages ask it like any client.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_api.http import FHIR_JSON
from fhir_api.routes import handle
from fhir_api.smart import pages
from fhir_api.smart.authorizations import EMERGENCY, Authorization, Emergency
from fhir_api.smart.authorize import at_issuer
from fhir_api.smart.backchannel import with_query
from fhir_api.smart.facade import Facade
from fhir_api.smart.launches import readable, reading
from fhir_api.smart.oauth import OAuthError, as_oauth, form_of
from fhir_api.smart.records import Kept, digest
from fhir_api.smart.sign_in import (
    GONE,
    SIGN_INS,
    SignIn,
    forget_browser,
    form_key,
    of_browser,
    signed_in,
)
from store.errors import VersionConflict
from store.interface import Commit, Outgoing

SHOWN_AT_ONCE = 10
LEAST_REASON, MOST_REASON = 10, 500
MAY_BREAK_GLASS = frozenset({"clinician", "radiologist"})
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


@dataclass(frozen=True, slots=True)
class Listed:
    """A patient as a row shows one: enough to tell two of the same name apart."""

    id: str
    name: str
    born: str
    sex: str
    identifiers: str


async def callback(facade: Facade, request: Request) -> Response:
    """The issuer has signed the user in: on to the page; a patient needs none, being the only one to choose."""
    try:
        id, record = await signed_in(facade, request)
        authorization = record.authorization
        if authorization.purpose == EMERGENCY and not MAY_BREAK_GLASS.intersection(record.roles):
            text = "Only clinicians and radiologists may open a patient in an emergency."
            raise OAuthError("access_denied", text)
        own = own_patient(record.user)
        if own and not authorization.purpose:
            kept = await of_browser(facade, request, id)
            return await _chosen(facade, id, kept, own, ())
    except Exception as error:  # noqa: BLE001 - the boundary
        return _told(error, request)
    return RedirectResponse(f"{facade.auth_url}/patient/{id}", 303, pages.NOT_KEPT_NOR_TOLD)


async def show(facade: Facade, request: Request) -> Response:
    """The page of the authorization in the path."""
    try:
        id = request.path_params["id"]
        kept = await _of_person(facade, request, id)
        if kept.record.authorization.patient:
            return await _reason_page(facade, id, kept.record, kept.record.authorization.patient)
        return _page(facade, id, kept.record, {}, None)
    except Exception as error:  # noqa: BLE001 - the boundary
        return _told(error, request)


async def act(facade: Facade, request: Request) -> Response:
    """What the person did on the page."""
    try:
        id = request.path_params["id"]
        kept = await _of_person(facade, request, id)
        form = await form_of(request)
        if not hmac.compare_digest(
            form.get("key", "").encode(), form_key(kept.record).encode()
        ) or not _from_our_page(facade, request):
            raise OAuthError("access_denied", GONE)
        return await _done(facade, id, kept, form)
    except Exception as error:  # noqa: BLE001 - the boundary
        return _told(error, request)


async def _done(facade: Facade, id: str, kept: Kept[SignIn], form: Mapping[str, str]) -> Response:
    record = kept.record
    is_emergency = record.authorization.purpose == EMERGENCY
    match form.get("do"):
        case "search" | "more":
            return await _found(facade, id, record, form)
        case "choose" if is_emergency:
            return await _reason_page(facade, id, record, form.get("patient", ""))
        case "choose":
            return await _chosen(facade, id, kept, form.get("patient", ""), ())
        case "open" if is_emergency:
            return await _opened(facade, id, kept, form)
        case "cancel":
            return await _cancelled(facade, id, kept)
    raise OAuthError("invalid_request", GONE)


async def _of_person(facade: Facade, request: Request, id: str) -> Kept[SignIn]:
    kept = await of_browser(facade, request, id)
    if not kept.record.subject:
        raise OAuthError("access_denied", GONE)
    return kept


def _from_our_page(facade: Facade, request: Request) -> bool:
    """Browsers say which page sent a form; what says nothing is no browser that could be misled."""
    origin = request.headers.get("origin", "null")
    site = request.headers.get("sec-fetch-site", "same-origin")
    # Without a referrer (Referrer-Policy: no-referrer) the origin of a form is null.
    return origin in {"null", facade.public_url} and site in {"same-origin", "none"}


async def _found(facade: Facade, id: str, record: SignIn, form: Mapping[str, str]) -> Response:
    """The page with the patients that match."""
    sought = {
        name: form[name].strip() for name in ("name", "birthdate", "identifier") if name in form
    }
    if not any(sought.values()):
        problem = "Enter a name, a date of birth or an identifier."
        return _page(facade, id, record, sought, None, problem=problem)
    if sought.get("birthdate") and not _DATE.fullmatch(sought["birthdate"]):
        problem = "Enter the date of birth as year-month-day: 1970-12-31."
        return _page(facade, id, record, sought, None, problem=problem)
    following = form.get("page", "") if form["do"] == "more" else ""
    query = following or urlencode(
        {
            **{name: _literal(value) for name, value in sought.items() if value},
            "_sort": "family,given,birthdate",
            "_count": str(SHOWN_AT_ONCE),
        }
    )
    request = reading(facade, record.caller(facade.client_id), ("Patient",), query)
    answer = await handle(facade.api, request)
    if answer.status == 403:
        raise OAuthError("access_denied", "You may not look for patients here.")
    if answer.status != 200 or not (answer.header("content-type") or "").startswith(FHIR_JSON):
        problem = "That cannot be searched for: change what you entered."
        return _page(facade, id, record, sought, None, problem=problem)
    bundle = orjson.loads(answer.body)
    patients = [
        listed(entry["resource"])
        for entry in bundle.get("entry", ())
        if entry.get("resource", {}).get("resourceType") == "Patient"
    ]
    more = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
    return _page(facade, id, record, sought, patients, more=urlsplit(more).query)


def _literal(value: str) -> str:
    """What a person types is text: commas and the like mean nothing (https://hl7.org/fhir/R4/search.html#escaping)."""
    return re.sub(r"([\\,$])", r"\\\1", value)


def listed(patient: Mapping[str, Any]) -> Listed:
    """A Patient as a row."""
    identifiers = [one["value"] for one in patient.get("identifier", ()) if "value" in one]
    return Listed(
        id=patient["id"],
        name=_name(patient.get("name", ())),
        born=patient.get("birthDate", "unknown"),
        sex=patient.get("gender", "unknown"),
        identifiers=", ".join(identifiers[:3]) or "none",
    )


def _name(names: list[Mapping[str, Any]]) -> str:
    usable = [name for name in names if name.get("use") != "old"] or names
    official = next((name for name in usable if name.get("use") == "official"), None)
    name = official or next(iter(usable), {})
    given = " ".join(part for part in name.get("given", ()) if part)
    parts = ", ".join(part for part in (name.get("family"), given) if part)
    return str(name.get("text") or parts or "no name")


def _page(
    facade: Facade,
    id: str,
    record: SignIn,
    sought: Mapping[str, str],
    patients: list[Listed] | None,
    *,
    more: str = "",
    problem: str = "",
) -> Response:
    return pages.page(
        "choose",
        "Choose a patient",
        action=f"{facade.auth_url}/patient/{id}",
        key=form_key(record),
        client=record.authorization.client,
        user=record.user,
        emergency=record.authorization.purpose == EMERGENCY,
        sought={"name": "", "birthdate": "", "identifier": "", **sought},
        patients=patients,
        more=more,
        problem=problem,
    )


async def _reason_page(
    facade: Facade, id: str, record: SignIn, patient: str, problem: str = ""
) -> Response:
    """The page that asks why."""
    resource = await readable(facade, record.caller(facade.client_id), "Patient", patient)
    return pages.page(
        "emergency",
        "Open a patient in an emergency",
        action=f"{facade.auth_url}/patient/{id}",
        key=form_key(record),
        client=record.authorization.client,
        user=record.user,
        patient=listed(resource),
        least=LEAST_REASON,
        most=MOST_REASON,
        problem=problem,
    )


async def _opened(facade: Facade, id: str, kept: Kept[SignIn], form: Mapping[str, str]) -> Response:
    """The glass is broken: it is recorded in the commit that lets the app in."""
    record, patient = kept.record, form.get("patient", "")
    reason = " ".join(form.get("reason", "").split())
    if not LEAST_REASON <= len(reason) <= MOST_REASON:
        problem = f"Give a reason, of {LEAST_REASON} to {MOST_REASON} characters."
        return await _reason_page(facade, id, record, patient, problem)
    emergency = Emergency(
        at_us=facade.api.clock(),
        client=record.authorization.client,
        user=record.user,
        subject=record.subject,
        patient=patient,
        reason=reason,
    )
    key = digest(f"{EMERGENCY}\n{record.authorization.challenge}")
    return await _chosen(facade, id, kept, patient, (emergency.outgoing(key),))


async def _chosen(
    facade: Facade, id: str, kept: Kept[SignIn], patient: str, outbox: tuple[Outgoing, ...]
) -> Response:
    """On to the issuer with the patient, if this person may see that one."""
    record = kept.record
    resource = await readable(facade, record.caller(facade.client_id), "Patient", patient)
    launch = record.authorization
    if launch.patient not in {"", patient}:
        raise OAuthError("access_denied", "The launch is of another patient: open the app again.")
    if launch.subject not in {"", record.subject} or launch.user not in {"", record.user}:
        text = "The launch was made for somebody else: sign out, and open the app again."
        raise OAuthError("access_denied", text)
    authorization: Authorization = msgspec.structs.replace(
        record.authorization, patient=patient, user=record.user, subject=record.subject
    )
    spent = (SIGN_INS.removal(kept, facade.api.clock()),)
    onward = await at_issuer(facade, authorization, spent, outbox)
    shown = listed(resource)
    text = f"Opening {authorization.client} with {shown.name}, born {shown.born}."
    answer = pages.onward("One moment", text, onward.headers["location"])
    forget_browser(facade, id, answer)
    return answer


async def _cancelled(facade: Facade, id: str, kept: Kept[SignIn]) -> Response:
    """Back to the app, which the issuer was seen to know at that address when this began."""
    authorization = kept.record.authorization
    await facade.api.store.commit(Commit(writes=(SIGN_INS.removal(kept, facade.api.clock()),)))
    told = {
        "error": "access_denied",
        "error_description": "No patient was chosen.",
        "state": authorization.state,
    }
    url = with_query(authorization.redirect_uri, told)
    answer = pages.onward("Cancelled", "No patient was chosen.", url)
    forget_browser(facade, id, answer)
    return answer


def own_patient(user: str) -> str:
    """The id of the patient who the user is; '': the user is none."""
    type, _, id = user.partition("/")
    return id if type == "Patient" else ""


def _told(error: Exception, request: Request) -> Response:
    if isinstance(error, VersionConflict):
        error = OAuthError("invalid_request", "This was done before. Open the app again.")
    refusal = as_oauth(error, request.method)
    return pages.notice("The app cannot be opened", refusal.description, refusal.status)
