"""StructureDefinitions as trees of what they add to R4's own types.

A profile is read along its chain of bases, differential upon differential, up to the R4 type; a base that is not known
is made up for by the profile's own snapshot, where it has one. Elements that nothing is said of are not in the tree: a
derived profile's snapshot would say of them what R4 says (https://hl7.org/fhir/R4/profiling.html#snapshot).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_api.definitions.elements import PRIMITIVES, TYPES, Element, properties_of

STRUCTURE_DEFINITION: Final = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPE: Final = "http://hl7.org/fhirpath/System."
DEEPEST_CHAIN: Final = 16
"""Profiles upon profiles."""
MOST_ELEMENTS: Final = 10_000

Json = Mapping[str, Any]
Find = Callable[[str], Json | None]
"""Canonical URL, with or without ``|version`` → StructureDefinition."""


class ProfileInvalid(Exception):
    """A StructureDefinition cannot be used; the message says which of its elements and why."""


@dataclass(slots=True)
class Constraints:
    """What a profile says of one element, or of one slice of it.

    ``definition`` has the members of an ElementDefinition that were set anywhere along the chain, the last one wins.
    """

    name: str
    """As R4 names the element: ``value[x]``."""
    path: str
    """With the slices on the way: ``Observation.component:systolic.code``."""
    table: Element | None
    """What R4 says of the element; None for the root."""
    types: tuple[str, ...]
    """R4's names of the types that it can have: ``Observation.component``."""
    definition: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Constraints] = field(default_factory=dict)
    slices: dict[str, Constraints] = field(default_factory=dict)


def constraint_tree(profile: Json, find: Find) -> Constraints:
    """What ``profile`` adds to its R4 type.

    Raises:
        ProfileInvalid: a base that is not known, an element that R4 does not have, or no profile at all.
    """
    chain: list[tuple[Json, str]] = []
    current: Json = profile
    while True:
        if current.get("derivation") != "constraint":
            raise ProfileInvalid("It is no profile: its derivation is not 'constraint'.")
        base_url = current.get("baseDefinition", "")
        base_type = _r4_type(base_url)
        base = None if base_type else find(base_url)
        has_differential = "differential" in current
        if "snapshot" in current and not (has_differential and (base_type or base)):
            chain.append((current, "snapshot"))
            break
        if base_type:
            chain.append((current, "differential"))
            break
        if base is None:
            raise ProfileInvalid(f"Its base {base_url} is not loaded, and it has no snapshot.")
        chain.append((current, "differential"))
        if len(chain) > DEEPEST_CHAIN:
            raise ProfileInvalid(f"More than {DEEPEST_CHAIN} profiles are derived from each other.")
        current = base
    type_ = profile.get("type")
    if type(type_) is not str or (type_ not in TYPES and type_ not in PRIMITIVES):
        raise ProfileInvalid("Its type is none of R4's.")
    root = Constraints(type_, type_, None, (type_,))
    for definition, view in reversed(chain):
        _apply(root, _elements(definition, view, type_), find)
    return root


def _r4_type(url: str) -> str:
    name = url.partition("|")[0].removeprefix(STRUCTURE_DEFINITION)
    return name if name in TYPES or name in PRIMITIVES else ""


def _elements(definition: Json, view: str, type_: str) -> list[Json]:
    found = definition.get(view) or {}
    rows = found.get("element") if isinstance(found, Mapping) else None
    if not isinstance(rows, list) or not all(
        isinstance(row, Mapping) and isinstance(row.get("path"), str) for row in rows
    ):
        raise ProfileInvalid(f"Its {view} has no elements with paths.")
    if len(rows) > MOST_ELEMENTS:
        raise ProfileInvalid(f"Its {view} has more than {MOST_ELEMENTS:,} elements.")
    if any(row["path"].partition(".")[0] != type_ for row in rows):
        raise ProfileInvalid(f"Its {view} has elements of another type than {type_}.")
    return rows


Step = tuple[str, str | None]
"""An element's name and the slice of it."""


def _apply(root: Constraints, elements: Iterable[Json], find: Find) -> None:
    before: list[Step] = []
    for element in elements:
        before = _steps(element, before)
        node = root
        for name, slice_name in before[1:]:
            node = _child(node, name, find)
            if slice_name:
                node = _slice(node, slice_name)
        _merge(node, element)


def _steps(element: Json, before: list[Step]) -> list[Step]:
    """The way to an element: by its id, which names the slices, or by its path after the element before it."""
    names = element["path"].split(".")
    parts = str(element.get("id", "")).split(".")
    if len(parts) == len(names) and any(":" in part for part in parts):
        return [(part.partition(":")[0], part.partition(":")[2] or None) for part in parts]
    steps: list[Step] = []
    for at, name in enumerate(names[:-1]):
        is_same_way = at < len(before) and before[at][0] == name and steps == before[:at]
        steps.append(before[at] if is_same_way else (name, None))
    return [*steps, (names[-1], element.get("sliceName"))]


def _child(node: Constraints, name: str, find: Find) -> Constraints:
    """The element ``name`` of ``node``; ``valueQuantity`` is the slice of ``value[x]`` with that type.

    Such a name allows no other types than those that are named so.
    """
    owner = _owner(node)
    elements = TYPES[owner].elements
    if name in elements:
        return _element(node, owner, name, find)
    chosen = properties_of(owner).get(name)
    if chosen is not None and chosen.element_name in elements:
        head = _element(node, owner, chosen.element_name, find)
        named = {s.types[0] for n, s in head.slices.items() if n == _spelled(head.name, s.types[0])}
        if head.table is not None and "type" not in head.definition:
            head.types = tuple(t for t in head.table.types if t in {*named, chosen.type})
        return _slice(head, name)
    if name == "value" and owner == "Element":  # string.value and its like: R4's own business
        return Constraints(name, f"{node.path}.{name}", None, ("string",))
    raise ProfileInvalid(f"{node.path} has no element {name} in R4.")


def _owner(node: Constraints) -> str:
    if len(node.types) != 1 or node.types[0] in PRIMITIVES:
        return "Element"
    return node.types[0]


def _element(node: Constraints, owner: str, name: str, find: Find) -> Constraints:
    found = node.children.get(name)
    if found is None:
        table = TYPES[owner].elements[name]
        types = _types_by_profile(node, name, find) if len(table.types) > 1 else ()
        path = f"{node.path}.{name}"
        found = node.children[name] = Constraints(name, path, table, types or table.types)
    return found


def _types_by_profile(node: Constraints, name: str, find: Find) -> tuple[str, ...]:
    """What the profile that ``node`` must meet (an extension's definition, mostly) leaves of a choice's types."""
    for canonical in type_profiles(node):
        profile = find(canonical)
        if profile is not None and profile.get("type") in node.types:
            narrowed = constraint_tree(profile, find)
            if name in narrowed.children:
                return narrowed.children[name].types
    return ()


def type_profiles(node: Constraints) -> tuple[str, ...]:
    """The profiles of which the element must meet one."""
    rows = node.definition.get("type", ())
    return tuple(canonical for row in rows for canonical in row.get("profile", ()))


def _slice(head: Constraints, name: str) -> Constraints:
    """The slice of that name; ``a/b`` is the slice b of the slice a.

    Where nothing is sliced, the name of a slice is but a label of the element itself.
    """
    is_choice = head.name.endswith("[x]")
    if not is_choice and "slicing" not in head.definition and head.table and head.table.max == 1:
        return head
    node = head
    parts = name.split("/")
    for at in range(len(parts)):
        whole = "/".join(parts[: at + 1])
        found = node.slices.get(whole)
        if found is None:
            types = tuple(t for t in node.types if _spelled(head.name, t) == whole) or node.types
            path = f"{head.path}:{whole}"
            found = node.slices[whole] = Constraints(head.name, path, head.table, types)
            if at and "type" in node.definition:
                found.definition["type"] = node.definition["type"]
        node = found
    return node


def _spelled(name: str, type_: str) -> str:
    """The JSON member of a choice for one of its types."""
    return name.removesuffix("[x]") + type_[0].upper() + type_[1:] if name.endswith("[x]") else ""


def _merge(node: Constraints, element: Json) -> None:
    for name, value in element.items():
        if name == "constraint":
            keys = {row.get("key") for row in value}
            kept = [r for r in node.definition.get(name, ()) if r.get("key") not in keys]
            node.definition[name] = [*kept, *value]
        elif name == "slicing":
            node.definition[name] = {**node.definition.get(name, {}), **value}
        else:
            node.definition[name] = value
    if node.table is not None and "type" in element:
        node.types = tuple(dict.fromkeys(_type_names(node, element["type"])))


def _type_names(node: Constraints, rows: Iterable[Json]) -> Iterator[str]:
    """R4's own names of the types that an ElementDefinition lists."""
    allowed = node.table.types if node.table else ()
    for row in rows:
        code = row.get("code")
        if not isinstance(code, str):
            raise ProfileInvalid(f"{node.path} has a type without a code.")
        if code in ("BackboneElement", "Element") or code.startswith(SYSTEM_TYPE):
            yield from allowed
        elif code in allowed or "Resource" in allowed:
            yield code
        elif code in TYPES or code in PRIMITIVES:
            raise ProfileInvalid(f"{node.path} cannot be of type {code} in R4.")
        else:
            raise ProfileInvalid(f"{node.path} has a type that R4 does not have.")
