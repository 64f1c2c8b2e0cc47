"""What a validated resource has to meet beyond R4's types: the profiles it claims or was asked about, its extensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_api.definitions.elements import RESOURCE_TYPES, TYPES, properties_of
from fhir_api.fhirpath import Node
from fhir_api.validation.profiles.checking import check_item
from fhir_api.validation.profiles.extensions import check_extension
from fhir_api.validation.profiles.run import Run, TooMuch
from fhir_api.validation.visit import Claims, Path, Problem

NOT_LOADED = Problem(
    "not-found", "This profile is not loaded, so the resource was not checked against it."
)
TOO_MUCH = Problem("too-costly", "The resource is too large to be checked against its profiles.")


def check_claims(claims: Claims, asked: Sequence[str], run: Run, unknown_severity: str) -> None:
    """Adds to ``run`` what is wrong. ``asked``: profiles that the resource must meet though it may not claim them."""
    root = run.root
    try:
        for canonical in asked:
            _check_profile(root, canonical, root.location, run, "error")
        for path, canonicals in claims.profiles:
            node = _node_at(root, path)
            for at, canonical in enumerate(canonicals if isinstance(canonicals, list) else ()):
                if node is not None and isinstance(canonical, str) and canonical:
                    place = f"{node.location}.meta.profile[{at}]"
                    _check_profile(node, canonical, place, run, unknown_severity)
        for path, url in claims.extensions:
            if run.advice or run.profiles.get(url) is not None:
                node = _node_at(root, path)
                if node is not None:
                    run.enter(node)
                    check_extension(node, url, run)
    except TooMuch:
        run.add(root, TOO_MUCH)


def _check_profile(node: Node, canonical: str, place: str, run: Run, unknown_severity: str) -> None:
    profile = run.profiles.get(canonical)
    if (profile is None or profile.rule is None) and unknown_severity != "error" and not run.advice:
        return
    if profile is None:
        run.add(place, NOT_LOADED, unknown_severity)
        return
    if profile.rule is None:
        text = f"This profile cannot be used, so the resource was not checked against it. {profile.problems[0]}"
        run.add(place, Problem("not-supported", text), unknown_severity)
        return
    if profile.type not in (node.type, "Resource", "DomainResource"):
        text = f"This is a profile of {profile.type}, not of {node.type}."
        run.add(place, Problem("structure", text))
        return
    if run.advice:
        for problem in profile.problems:
            text = f"A part of this profile is not checked. {problem}"
            run.add(place, Problem("not-supported", text), "information")
    run.enter(node)
    check_item(profile.rule, node, run)


def _node_at(root: Node, path: Path) -> Node | None:
    """The element at a path, reached from the root as FHIRPath reaches it."""
    steps: list[tuple[str, int | None]] = []
    step: Path | None = path
    while step is not None:
        step, name, index = step
        steps.append((name, index))
    node: Node | None = root
    for name, index in reversed(steps[:-1]):
        node = None if node is None else _child_at(node, name, index)
    return node


def _child_at(node: Node, name: str, index: int | None) -> Node | None:
    """As ``children_named`` makes it, without its siblings."""
    if node.type not in TYPES:  # a primitive: what it has stands in the member beside it
        node = Node(node.extra, "Element", node.parent, f"_{node.name}", node.index)
    holder = node.value
    found = properties_of(node.type).get(name)
    if found is None or type(holder) is not dict:
        return None
    value, extra = _item(holder.get(name), index), _item(holder.get(f"_{name}"), index)
    type_ = found.type
    if type_ == "Resource":
        said = value.get("resourceType") if type(value) is dict else None
        type_ = said if said in RESOURCE_TYPES else type_
    return None if value is None and extra is None else Node(value, type_, node, name, index, extra)


def _item(value: Any, index: int | None) -> Any:  # noqa: ANN401
    if index is None:
        return value
    return value[index] if type(value) is list and index < len(value) else None
