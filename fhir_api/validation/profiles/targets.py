"""What references may point at, by a profile (https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.type.targetProfile)."""

from __future__ import annotations

from fhir_api.conformance.constraint_tree import STRUCTURE_DEFINITION, Constraints
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.fhirpath import Node
from fhir_api.validation.profiles.checking import conforms
from fhir_api.validation.profiles.rules import Check
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.references import read
from fhir_api.validation.visit import Problem


def target_profiles(node: Constraints) -> tuple[str, ...]:
    """The profiles of which a reference's target must meet one; empty: any resource may be the target."""
    rows = [row for row in node.definition.get("type", ()) if row.get("code") == "Reference"]
    if not all(row.get("targetProfile") for row in rows):
        return ()
    return tuple(canonical for row in rows for canonical in row["targetProfile"])


def target_check(node: Constraints, by: str) -> Check | None:
    """The check of a reference's target, where the profile allows less than R4 does.

    A target that is contained, or in the Bundle, is held against its profile; of any other only the type can be seen.
    """
    canonicals = target_profiles(node)
    plain = {canonical.removeprefix(STRUCTURE_DEFINITION) for canonical in canonicals}
    if not canonicals or (node.table is not None and plain >= set(node.table.targets) != set()):
        return None
    names = " or ".join(c.removeprefix(STRUCTURE_DEFINITION) for c in canonicals)
    wrong_type = Problem("value", f"The reference must point at {names}{by}.")
    unmet = Problem("value", f"What the reference points at does not meet {names}{by}.")

    def check(node: Node, run: Run) -> None:
        literal = node.value.get("reference") if isinstance(node.value, dict) else None
        if node.type != "Reference" or not isinstance(literal, str):
            return
        profiles = [run.profiles.get(canonical) for canonical in canonicals]
        known = [profile for profile in profiles if profile is not None]
        if len(known) < len(profiles):
            return
        target = run.resolve(literal, node)
        type_ = target.type if target is not None else read(literal)[0]
        candidates = [p for p in known if p.type in (type_, "Resource")]
        if type_ in RESOURCE_TYPES and not candidates:
            run.add(node, wrong_type)
        elif target is not None and not any(conforms(target, p, run) for p in candidates):
            run.add(node, unmet)

    return check
