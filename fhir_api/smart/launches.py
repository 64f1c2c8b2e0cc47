"""``POST /auth/launch``: an EHR says which patient an app is to open, and gets a handle for it that works once.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch. How an EHR makes the handle is its
own affair in the standard. The handle itself is a secret of minutes; it says nothing of the patient.
"""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from fhir_api.access import Caller
from fhir_api.http import Request as FhirRequest
from fhir_api.routes import handle
from fhir_api.smart.callers import relative_user
from fhir_api.smart.facade import Facade
from fhir_api.smart.oauth import OAuthError, body_of, json_answer
from fhir_api.smart.records import Kept, Kind
from store.interface import Commit

LIFETIME_S = 300

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_INTENT = re.compile(r"[!-~][ -~]{0,127}")


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the EHR sends, in JSON."""

    patient: Id | None = None
    encounter: Id | None = None
    intent: str = ""
    need_patient_banner: bool = True
    client: Name | None = None
    """The app that it is for; None: whichever presents it first."""
    user: Name | None = None
    """``Practitioner/1``: who has to be signed in; else it is the user of the EHR's own token, if that has one."""


class Launch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a handle stands for."""

    expires_us: int
    patient: str = ""
    encounter: str = ""
    intent: str = ""
    need_patient_banner: bool = True
    client: str = ""
    user: str = ""
    subject: str = ""


LAUNCHES: Kind[Launch] = Kind("smart:launch", Launch)
"""By the handle."""


async def make_launch(facade: Facade, request: Request) -> Response:
    """201 with ``launch``, which the EHR puts beside ``iss`` into the app's launch URL."""
    caller = await facade.authenticate(dict(request.headers))
    if caller.id not in facade.launch_clients and "operator" not in caller.roles:
        raise OAuthError("insufficient_scope", "Only the EHR may make launches.")
    try:
        wish = msgspec.json.decode(await body_of(request), type=Wish)
    except msgspec.MsgspecError as error:
        text = (
            "The body is JSON with patient, encounter, intent, need_patient_banner, client, user."
        )
        raise OAuthError("invalid_request", text) from error
    if wish.user and not relative_user(wish.user, facade.fhir_url):
        raise OAuthError("invalid_request", "user is a person on this server: Practitioner/1.")
    if wish.intent and not _INTENT.fullmatch(wish.intent):
        raise OAuthError("invalid_request", "intent is a short text of plain characters.")
    await _check_context(facade, caller, wish)
    now_us = facade.api.clock()
    launch = Launch(
        expires_us=now_us + LIFETIME_S * 1_000_000,
        patient=wish.patient or "",
        encounter=wish.encounter or "",
        intent=wish.intent,
        need_patient_banner=wish.need_patient_banner,
        client=wish.client or "",
        user=relative_user(wish.user or "", facade.fhir_url) or caller.user,
        subject="" if wish.user else caller.subject if caller.user else "",
    )
    launch_handle = secrets.token_urlsafe(32)
    await facade.api.store.commit(Commit(writes=(LAUNCHES.write(launch_handle, launch, now_us),)))
    return json_answer({"launch": launch_handle, "expires_in": LIFETIME_S}, 201)


async def _check_context(facade: Facade, caller: Caller, wish: Wish) -> None:
    """An EHR launches what it may read itself, and an encounter of that patient.

    Raises:
        OAuthError: it may not, or there is no such thing.
    """
    if wish.encounter and not wish.patient:
        raise OAuthError("invalid_request", "An encounter needs its patient beside it.")
    if wish.patient:
        await readable(facade, caller, "Patient", wish.patient)
    if wish.encounter:
        encounter = await readable(facade, caller, "Encounter", wish.encounter)
        subject = encounter.get("subject", {}).get("reference", "")
        if subject.removeprefix(f"{facade.fhir_url}/") != f"Patient/{wish.patient}":
            raise OAuthError("invalid_request", "The encounter is not one of that patient.")


async def readable(facade: Facade, caller: Caller, type: str, id: str) -> dict[str, Any]:
    """The resource, where the caller may read it.

    Raises:
        OAuthError: there is none for this caller.
    """
    answer = await handle(facade.api, reading(facade, caller, (type, id)))
    if answer.status != 200:
        raise OAuthError("invalid_request", f"There is no such {type} for you.")
    resource: dict[str, Any] = orjson.loads(answer.body)
    return resource


def reading(facade: Facade, caller: Caller, path: tuple[str, ...], query: str = "") -> FhirRequest:
    """A GET on ``/fhir`` on behalf of the caller."""
    return FhirRequest(
        method="GET",
        path=path,
        query=query,
        headers={"accept": "application/fhir+json"},
        body=b"",
        caller=caller,
        base_url=facade.fhir_url,
        id=f"auth-{secrets.token_hex(8)}",
    )


async def launch_of(facade: Facade, launch_handle: str, client: str) -> Kept[Launch]:
    """What the handle stands for. It is used up by removing it in the commit that takes its place.

    Raises:
        OAuthError: it was used, has ended, never was, or is for another app.
    """
    kept = await LAUNCHES.read(facade.api.store, launch_handle, facade.api.clock())
    if kept is None or kept.record.client not in {"", client}:
        text = "The launch was used before, has ended, or is not for this app: open the app again."
        raise OAuthError("invalid_request", text)
    return kept
