"""AuditEvents of an access, in the shapes of IHE's Basic Audit Log Patterns (https://profiles.ihe.net/ITI/BALP/).

One for each patient concerned, and one for what concerns none. Only what succeeded claims a profile of BALP, and only
interactions that BALP has one for; all others have the same members. R4: https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
import orjson

from audit.access import Access, Actor, Target, decoded_actor
from audit.interactions import Interaction, interaction_of, write_of

PatientsOf = Callable[[Target], Sequence[str]]
"""The ids of the Patients that a version concerns, in order; empty: of none."""

BALP: Final = "https://profiles.ihe.net/ITI/BALP"
_PROFILE: Final = f"{BALP}/StructureDefinition/IHE.BasicAudit."
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_THO: Final = "http://terminology.hl7.org/CodeSystem"
_ENTITY: Final = f"{_THO}/audit-entity-type"
_ROLE: Final = f"{_THO}/object-role"
_INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"

_SOURCE: Final = {"system": _DCM, "code": "110153", "display": "Source Role ID"}
_DESTINATION: Final = {"system": _DCM, "code": "110152", "display": "Destination Role ID"}
_APPLICATION: Final = {"system": _DCM, "code": "110150", "display": "Application"}
_CUSTODIAN: Final = {
    "system": f"{_THO}/provenance-participant-type",
    "code": "custodian",
    "display": "Custodian",
}
_SENDERS: Final = {
    "Read": (_DESTINATION, _SOURCE),
    "Query": (_SOURCE, _DESTINATION),
    "Create": (_SOURCE, _DESTINATION),
    "Update": (_SOURCE, _DESTINATION),
    "Delete": (_APPLICATION, _CUSTODIAN),
    "": (_SOURCE, _DESTINATION),
}
"""The types of client and server, which BALP has by the way that the data go."""

_NAMESPACE: Final = UUID("4e8f0c0e-2f0b-5c43-9d4c-6a2a52a2b0f5")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_CODE: Final = re.compile(r"[A-Za-z0-9\-]{1,32}")
_REPORTS: Final = frozenset({"DiagnosticReport", "Composition", "DocumentReference"})


class Event(msgspec.Struct, frozen=True):
    """An AuditEvent as JSON. The same access makes the same ids, however often it is looked at."""

    id: str
    recorded_us: int
    content: bytes


def events_of(access: Access, source: str, patients_of: PatientsOf) -> list[Event]:
    """The AuditEvents of an access, and the one that it brought; ``source`` names it among all, for ever."""
    actor = decoded_actor(access.actor)
    drafts = _written(access, patients_of) if _is_write(access) else _asked(access, patients_of)
    sent = []
    if access.posted:
        sent.append(Event(access.targets[0].id, access.at_us, access.posted.encode()))
    return sent + [
        _event(access, actor, interaction, entities, str(uuid5(_NAMESPACE, f"{source}#{number}")))
        for number, (interaction, entities) in enumerate(drafts)
    ]


_Draft = tuple[Interaction, list[dict[str, Any]]]


def _is_write(access: Access) -> bool:
    return bool(access.targets) and bool(access.targets[0].method)


def _written(access: Access, patients_of: PatientsOf) -> Iterator[_Draft]:
    for target in access.targets:
        data = _data(target.type, target.id, target.version)
        for patient in patients_of(target) or ("",):
            yield write_of(target), [data, *_patient(patient)]


def _asked(access: Access, patients_of: PatientsOf) -> Iterator[_Draft]:
    interaction = interaction_of(access)
    if interaction.profile == "Query" or not access.targets:
        about = [_query(access)]
        if interaction.profile != "Query" and access.status < 400:
            about = [*_named(access.path), *about]
        elif access.status >= 400:
            about += _named(access.path)
    elif interaction.profile == "Read":
        one = access.targets[0]
        about = [_data(one.type, one.id, one.version)]
    else:
        about = [*_named(access.path), _query(access)]
    concerned: dict[str, None] = {}
    for target in access.targets:
        concerned.update(dict.fromkeys(patients_of(target) or ("",)))
    for patient in concerned or ("",):
        yield interaction, [*about, *_patient(patient)]


def _event(
    access: Access, actor: Actor, interaction: Interaction, entities: list[dict[str, Any]], id: str
) -> Event:
    succeeded = access.status < 400
    recorded = _instant(access.at_us)
    meta: dict[str, Any] = {"versionId": "1", "lastUpdated": recorded}
    if succeeded and (profiles := _profiles(actor, interaction, entities)):
        meta["profile"] = profiles
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": id,
        "meta": meta,
        "type": {
            "system": f"{_THO}/audit-event-type",
            "code": "rest",
            "display": "RESTful Operation",
        },
        "subtype": [{"system": _INTERACTIONS, "code": interaction.code}],
        "action": interaction.action,
        "recorded": recorded,
        "outcome": "0" if succeeded else "4" if access.status < 500 else "8",
    }
    if not succeeded:
        event["outcomeDesc"] = f"HTTP {access.status}"
    if purpose := _purpose(actor.purpose):
        event["purposeOfEvent"] = purpose
    event["agent"] = _agents(
        bytes(access.actor), access.address, access.base_url, interaction.profile
    )
    event["source"] = _observer(access.base_url)
    event["entity"] = [*entities, _transaction(access)]
    return Event(id, access.at_us, orjson.dumps(event))


def _profiles(actor: Actor, interaction: Interaction, entities: list[dict[str, Any]]) -> list[str]:
    if not interaction.profile:
        return []
    with_patient = any(entity["type"]["code"] == "1" for entity in entities)
    profiles = [f"{_PROFILE}{'Patient' if with_patient else ''}{interaction.profile}"]
    if actor.token_id:
        kind = "Comprehensive" if _has_user(actor) else "Minimal"
        profiles.append(f"{_PROFILE}OAUTHaccessTokenUse.{kind}")
    return profiles


def _has_user(actor: Actor) -> bool:
    return bool(actor.user and actor.subject)


@lru_cache(maxsize=4096)
def _agents(actor: bytes, address: str, base_url: str, profile: str) -> list[dict[str, Any]]:
    """The client, the server and the user; the same for all that one caller does in one way."""
    who = decoded_actor(msgspec.Raw(actor))
    client_type, server_type = _SENDERS[profile]
    client = {"identifier": {"value": who.client or "unknown"}}
    network = {"address": address or "unknown", "type": "2" if address else "1"}
    is_user = _has_user(who)
    agents: list[dict[str, Any]] = [
        {
            "type": {"coding": [client_type]},
            "who": client,
            "requestor": not (is_user or who.token_id),
            "network": network,
        },
        {
            "type": {"coding": [server_type]},
            "who": {"identifier": {"value": base_url or "unknown"}, "display": "HealthVision"},
            "requestor": False,
            "network": {"address": base_url or "unknown", "type": "5"},
        },
    ]
    if is_user and client_type is not _APPLICATION:
        application = {"type": {"coding": [_APPLICATION]}, "who": client, "requestor": False}
        agents.append({**application, "network": network})
    if is_user or who.token_id:
        agents.append(_user(who))
    return agents


def _user(who: Actor) -> dict[str, Any]:
    """The user; or the service, for which BALP knows what its token was."""
    agent: dict[str, Any] = {}
    if _has_user(who):
        code = {"system": f"{_THO}/v3-ParticipationType", "code": "IRCP"}
        code["display"] = "information recipient"
        agent["type"] = {"coding": [code]}
        agent["who"] = {"reference": who.user, "identifier": {"value": who.subject}}
    else:
        code = {"system": f"{BALP}/CodeSystem/UserAgentTypes", "code": "UserOauthAgent"}
        agent["type"] = {"coding": [code]}
        agent["who"] = {"identifier": {"value": who.subject or who.client}}
    if who.roles:
        agent["role"] = [{"text": role} for role in who.roles]
    agent["requestor"] = True
    if who.token_id:
        agent["policy"] = [f"urn:ietf:params:oauth:jti:{who.token_id}"]
    if purpose := _purpose(who.purpose):
        agent["purposeOfUse"] = purpose
    return agent


def _purpose(code: str) -> list[dict[str, Any]]:
    if not _CODE.fullmatch(code):
        return []
    return [{"coding": [{"system": f"{_THO}/v3-ActReason", "code": code}]}]


@lru_cache(maxsize=64)
def _observer(base_url: str) -> dict[str, Any]:
    name = base_url or "unknown"
    return {
        "site": name,
        "observer": {"identifier": {"value": name}, "display": "HealthVision"},
        "type": [
            {
                "system": f"{_THO}/security-source-type",
                "code": "4",
                "display": "Application Server",
            }
        ],
    }


def _data(type: str, id: str, version: int) -> dict[str, Any]:
    reference = f"{type}/{id}/_history/{version}" if version else f"{type}/{id}"
    role = "3" if type in _REPORTS else "20" if type == "Task" else "4"
    return {
        "what": {"reference": reference},
        "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
        "role": {"system": _ROLE, "code": role, "display": _ROLE_NAMES[role]},
    }


_ROLE_NAMES: Final = {"3": "Report", "4": "Domain Resource", "20": "Job"}


def _named(path: Sequence[str]) -> list[dict[str, Any]]:
    """The resource that a URL names, whether or not there is one."""
    if len(path) < 2 or not _TYPE.fullmatch(path[0]) or not _ID.fullmatch(path[1]):
        return []
    return [_data(path[0], path[1], 0)]


def _patient(id: str) -> list[dict[str, Any]]:
    if not id:
        return []
    return [
        {
            "what": {"reference": f"Patient/{id}"},
            "type": {"system": _ENTITY, "code": "1", "display": "Person"},
            "role": {"system": _ROLE, "code": "1", "display": "Patient"},
        }
    ]


def _query(access: Access) -> dict[str, Any]:
    """The request as it came: method and URL, with a search's form among its parameters."""
    url = "/".join((access.base_url, *access.path))
    request = f"{access.method} {url}{'?' if access.query else ''}{access.query}"
    return {
        "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
        "role": {"system": _ROLE, "code": "24", "display": "Query"},
        "query": base64.b64encode(request.encode("utf-8", "surrogateescape")).decode(),
    }


def _transaction(access: Access) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "what": {"identifier": {"value": access.request_id or "unknown"}},
        "type": {"system": f"{BALP}/CodeSystem/BasicAuditEntityType", "code": "XrequestId"},
    }
    if access.trace:
        entity["detail"] = [{"type": "traceparent", "valueString": access.trace}]
    return entity


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _instant(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}Z"
