"""Ways to break an invariant of R4, or a slice of a claimed profile, at one place of a valid resource, found by walking it along R4's definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fhir_api.definitions.elements import PRIMITIVES, properties_of
from tests.fhir_api.validation.mutations import REMOVED, Keys, Mutation

Json = dict[str, Any]
Change = tuple[str, Any]
"""A member, and what to put there; REMOVED: take it away."""


def broken_invariants(resource: Json) -> Iterator[Mutation]:
    """Every such mutation of ``resource``, which must be valid."""
    for type_, value, keys, place in elements(resource):
        for key, breaks in BREAKS.items():
            wanted, _, name = key.partition(" ")
            if wanted == type_:
                for member, change in breaks(value):
                    yield Mutation(f"broken {name}", (*keys, member), change, "invariant", place)


def elements(resource: Json) -> Iterator[tuple[str, Json, Keys, str]]:
    """Type, value, keys and place of every object of a resource, the resource itself among them."""
    type_ = resource["resourceType"]
    yield from _below(type_, resource, (), type_)


def _below(
    type_: str, value: Json, keys: Keys, place: str
) -> Iterator[tuple[str, Json, Keys, str]]:
    yield type_, value, keys, place
    for name, found in properties_of(type_).items():
        items = value.get(name)
        if items is None or found.type in PRIMITIVES:
            continue
        for index, item in enumerate(items if found.element.repeats else [items]):
            here = (*keys, name, index) if found.element.repeats else (*keys, name)
            at = f"{place}.{name}[{index}]" if found.element.repeats else f"{place}.{name}"
            inner = item["resourceType"] if found.type == "Resource" else found.type
            yield from _below(inner, item, here, at)


def _without(member: str, *others: str) -> Callable[[Json], Iterator[Change]]:
    """Takes a member away where the others are there, or where none are named."""

    def breaks(value: Json) -> Iterator[Change]:
        if member in value and all(other in value for other in others):
            yield member, REMOVED

    return breaks


def _with(member: str, content: Any, *others: str) -> Callable[[Json], Iterator[Change]]:
    """Adds a member where it is absent and the others are there."""

    def breaks(value: Json) -> Iterator[Change]:
        if member not in value and all(other in value for other in others):
            yield member, content

    return breaks


def _put(member: str, content: Any) -> Callable[[Json], Iterator[Change]]:
    """Puts content where something else, or nothing, is."""

    def breaks(value: Json) -> Iterator[Change]:
        if value.get(member) != content:
            yield member, content

    return breaks


def _early_end(value: Json) -> Iterator[Change]:
    if "start" in value:
        yield "end", "1815-06-18"


def _observed_and_absent(value: Json) -> Iterator[Change]:
    if any(name.startswith("value") for name in value):
        yield "dataAbsentReason", {"text": "unknown"}


def _link_id_again(value: Json) -> Iterator[Change]:
    if len(value.get("item", ())) > 1:
        yield "item", [*value["item"], value["item"][0]]


def _missing_contained(value: Json) -> Iterator[Change]:
    if value.get("reference", "").startswith("#"):
        yield "reference", "#no-such"


def _other_slice(value: Json) -> Iterator[Change]:
    """Of an Observation that claims a profile (vital signs): what its slices and fixed values ask for, otherwise."""
    if "profile" not in value.get("meta", ()):
        return
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    yield "category", [{"coding": [{"system": system, "code": "laboratory"}]}]
    if "category" in value:
        yield "category", REMOVED
    if "valueQuantity" in value:
        quantity = value["valueQuantity"]
        yield "valueQuantity", {**quantity, "code": "mg"}
        yield "valueQuantity", {k: v for k, v in quantity.items() if k != "value"}
    parts = value.get("component", ())
    if parts:
        yield "component", parts[1:] or REMOVED
        yield "component", [{**parts[0], "code": {"text": "another"}}, *parts[1:]]


def _in_error(system: str) -> Json:
    coding = {
        "system": f"http://terminology.hl7.org/CodeSystem/{system}",
        "code": "entered-in-error",
    }
    return {"coding": [coding]}


BREAKS: Mapping[str, Callable[[Json], Iterator[Change]]] = {
    "Quantity qty-3": _without("system", "code"),
    "ContactPoint cpt-2": _without("system", "value"),
    "Attachment att-1": _without("contentType", "data"),
    "Ratio rat-1": _without("denominator", "numerator"),
    "Period per-1": _early_end,
    "Range rng-2": _put("low", {"value": 1e9}),
    "Reference ref-1": _missing_contained,
    "Extension ext-1": _with(
        "extension", [{"url": "http://e.example/a", "valueCode": "a"}], "valueString"
    ),
    "Timing.repeat tim-1": _without("durationUnit", "duration"),
    "Timing.repeat tim-2": _without("periodUnit", "period"),
    "Timing.repeat tim-4": _put("duration", -1),
    "Observation obs-6": _observed_and_absent,
    "Observation slice": _other_slice,
    "Observation.referenceRange obs-3": _without("low"),
    "Organization org-1": _without("name"),
    "Bundle bdl-1": _with("total", 3),
    "Bundle bdl-3": _put("type", "transaction"),
    "Questionnaire que-2": _link_id_again,
    "Questionnaire.item que-3": _put("type", "display"),
    "AllergyIntolerance ait-1": _without("clinicalStatus"),
    "AllergyIntolerance ait-2": _put(
        "verificationStatus", _in_error("allergyintolerance-verification")
    ),
    "Condition con-5": _put("verificationStatus", _in_error("condition-ver-status")),
    "Composition.section cmp-2": _with("emptyReason", {"text": "none"}),
    "ValueSet.compose.include vsd-1": _without("system"),
    "ValueSet vsd-0": _put("name", "not a name"),
    "Linkage lnk-1": _put("item", [{"type": "source", "resource": {"display": "a"}}]),
    "Consent ppc-1": _without("policyRule"),
    "Goal.target gol-1": _without("measure"),
    "OperationDefinition.parameter opd-1": _without("type"),
    "SearchParameter spd-1": _without("xpathUsage"),
    "List lst-1": _with("emptyReason", {"text": "a"}, "entry"),
    "Task inv-1": _put("lastModified", "1815-06-18"),
    "Appointment app-2": _without("end", "start"),
    "Appointment.participant app-1": _without("actor"),
    "CarePlan.activity cpl-3": _with("reference", {"reference": "Task/1"}, "detail"),
    "MeasureReport mrp-1": _put("type", "data-collection"),
    "RiskAssessment.prediction ras-2": _put("probabilityDecimal", 101),
    "MedicationDispense mdd-1": _put("whenHandedOver", "1815-06-18"),
    "Group grp-1": _put("actual", False),
    "AuditEvent.entity sev-1": _with("query", "aGk=", "name"),
    "NamingSystem nsd-1": _put("kind", "root"),
    "CapabilityStatement cpb-1": _without("rest"),
    "RequestGroup.action rqg-1": _with("resource", {"reference": "Patient/1"}, "action"),
}
"""Type and name → how it is broken. Not each place where it applies is broken by it: both judges say whether."""
