"""What a caller may make a resource say: within its grants, and never what is for others to say.

Nobody but a worker ends an analysis' Task or labels a resource as made by AI; no worker changes what a person signed.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from fhir_api.access import Caller, Forbidden, Grant, Interaction, decide, grants_of, may
from fhir_api.api import Api
from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.document import Tree
from fhir_api.errors import Category, FhirError
from fhir_api.patient_policy import PATIENT, Policy, policy_of
from fhir_api.search.extract import entries_of
from fhir_api.search.internal_parameters import CONTEXT
from fhir_api.tasks.queue import may_be_ours
from fhir_api.visibility.conditions import UPDATED, of_patient, restriction_of, visible
from store.entries import Entry
from store.interface import Version
from store.matching import meets
from store.query import AnyOf, Condition, ReferenceIs
from terminology.later_codes import AI_ASSERTED, OBSERVATION_VALUE

_LABEL: Final = AI_ASSERTED.encode()
_ESCAPE: Final = b"\\u"
_ENDED: Final = frozenset({"completed", "failed", "rejected"})
_SIGNED: Final = frozenset({"final", "amended", "corrected", "appended"})
_SIGNABLE: Final = frozenset({"DiagnosticReport", "Observation"})
_ABOUT: Final = frozenset({"patient", "subject"})
"""The parameters that say whom a resource is about; others of a compartment say who else took part."""


def require_may_name(api: Api, caller: Caller, type: str) -> None:
    """Whoever may change only some resources of a type creates none under an id of its own choice.

    What is there and hidden, and what is not there, could not be told apart otherwise.

    Raises:
        FhirError: ``not-found``: as where there is nothing to update.
    """
    if caller.scopes is not None and visible(api, caller, type, UPDATED):
        raise FhirError(Category.NOT_FOUND, f"There is no {type} with this id.", type)


def require_in_grants(
    api: Api,
    by: Caller,
    interaction: Interaction,
    type: str,
    id: str,
    now_us: int,
    entries: tuple[Entry, ...],
) -> None:
    """Holds new content against the grants of a caller who has scopes.

    Args:
        api: the deployment.
        by: who writes.
        interaction: CREATE or UPDATE.
        type: of the resource.
        id: of the resource.
        now_us: when the content becomes a version.
        entries: the content's own, as they are indexed.

    Raises:
        Forbidden: no grant of the caller's reaches such a resource.
    """
    letter = "c" if interaction is Interaction.CREATE else "u"
    for grant in grants_of(by, type):
        if letter in grant.letters and meets(_written(api, type, grant), id, now_us, entries):
            return
    text = f"You may not {interaction} such a {type}: it is outside of what you were granted."
    raise Forbidden(by, interaction, type, text, type)


def require_may_store(by: Caller, type: str) -> None:
    """For what makes a resource or adds to one, as it turns out to be there or not.

    Raises:
        Forbidden: the caller may do neither with any.
    """
    if not may(by, Interaction.UPDATE, type):
        decide(by, Interaction.CREATE, type)


def may_concern(api: Api, by: Caller, type: str, letter: str, subject: dict[str, Any]) -> bool:
    """Whether a caller who has scopes may write some ``type`` or other about this ``subject`` (a Reference)."""
    said = {"resourceType": type, "subject": subject}
    entries = entries_of(type, said, api.options.base_url)
    return any(
        letter in grant.letters
        and (not grant.patient or meets(_about(grant.patient, type), "", 0, entries))
        for grant in grants_of(by, type)
    )


def require_may_say(
    by: Caller, type: str, tree: Tree, body: bytes, current: Version | None
) -> None:
    """The rules for the results of analyses, whatever the caller's grants.

    Raises:
        Forbidden: that is for a worker to say, or for a person.
    """
    there = current if current is not None and not current.deleted else None
    if "worker" in by.roles:
        if type in _SIGNABLE and there is not None and _is_signed(orjson.loads(there.content)):
            text = f"A person has signed this {type}: a worker does not change it."
            raise Forbidden(by, Interaction.UPDATE, type, text, f"{type}.status")
        return
    if type == "Task":
        _require_leaves_end(by, tree, there)
    if _has_label(body) != (there is not None and _has_label(there.content)):
        text = "Only a worker says, or takes back, that a resource was made by AI."
        raise Forbidden(by, Interaction.UPDATE, type, text, f"{type}.meta.security")


def _written(api: Api, type: str, grant: Grant) -> tuple[Condition, ...]:
    conditions = _about(grant.patient, type) if grant.patient else ()
    return conditions + (restriction_of(api, type, grant) if grant.where else ())


def _about(patient: str, type: str) -> tuple[Condition, ...]:
    """What a ``type`` must meet to be written in the context of a patient: it is about that patient.

    It is not enough that the patient took part in what is another's.
    """
    policy = policy_of(type)
    if policy is Policy.BINARY:
        return (ReferenceIs(CONTEXT, PATIENT, patient),)
    if policy is not Policy.COMPARTMENT:
        return of_patient(patient, type)
    codes = COMPARTMENTS[PATIENT][type]
    about = [code for code in codes if code in _ABOUT] or codes
    return (AnyOf(tuple(ReferenceIs(code, PATIENT, patient) for code in about)),)


def _require_leaves_end(by: Caller, task: Tree, current: Version | None) -> None:
    """Raises Forbidden where a Task of ours would end, or get results, by somebody who is no worker."""
    before: dict[str, Any] = orjson.loads(current.content) if current else {}
    ends = task.get("status") in _ENDED and task.get("status") != before.get("status")
    has_other_results = task.get("output") != before.get("output")
    if (ends or has_other_results) and (may_be_ours(task) or may_be_ours(before)):
        element = "status" if ends else "output"
        text = "Only a worker ends an analysis and says what came of it; others may cancel it."
        raise Forbidden(by, Interaction.UPDATE, "Task", text, f"Task.{element}")


def _is_signed(result: dict[str, Any]) -> bool:
    return result.get("status") in _SIGNED or bool(result.get("resultsInterpreter"))


def _has_label(body: bytes) -> bool:
    """Whether ``meta.security`` says that AI made it; nothing is parsed where the code cannot be there."""
    if _LABEL not in body and _ESCAPE not in body:
        return False
    meta = orjson.loads(body).get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    return any(
        isinstance(label, dict)
        and label.get("code") == AI_ASSERTED
        and label.get("system") in {OBSERVATION_VALUE, None}
        for label in (labels if isinstance(labels, list) else ())
    )
