"""Elements as JSON has them: a value, and beside a primitive's value its id and extensions (``_birthDate``).

https://hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

import msgspec
import orjson

from fhir_api.definitions.elements import PRIMITIVES, TYPES, Property, properties_of
from fhir_api.patches.document import PatchedDocument, PatchFails, Tokens
from fhir_api.patches.pieces import Budget, Piece, opened

_NULL = b"null"
_parts = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


@dataclass(frozen=True, slots=True)
class Element:
    """One element. Neither a value nor an extra: it is not there."""

    value: Piece | None
    extra: Piece | None

    def store(self, owner: dict[str, Piece], member: str) -> None:
        """Puts it in the place of what ``owner`` has."""
        for name, piece in ((member, self.value), (f"_{member}", self.extra)):
            if piece is None:
                owner.pop(name, None)
            else:
                owner[name] = piece


class List:
    """The elements of a member that repeats; each change is made in its owner at once."""

    def __init__(self, owner: dict[str, Piece], member: str, rows: list[Element]) -> None:
        self._owner = owner
        self._member = member
        self.rows = rows

    @classmethod
    def of(cls, owner: dict[str, Piece], member: str, budget: Budget) -> Self:
        """What ``owner`` has; nothing, where there is no such member."""
        values = _items(owner.get(member), budget)
        extras = _items(owner.get(f"_{member}"), budget)
        return cls(owner, member, [Element(*row) for row in zip_longest(values, extras)])

    def insert(self, index: int | None, element: Element) -> None:
        """``index`` None: at the end."""
        self.rows.insert(len(self.rows) if index is None else index, element)
        self._store()

    def replace(self, index: int, element: Element) -> None:
        self.rows[index] = element
        self._store()

    def remove(self, index: int) -> None:
        del self.rows[index]
        self._store()

    def move(self, source: int, destination: int) -> None:
        self.rows.insert(destination, self.rows.pop(source))
        self._store()

    def give_extra(self, index: int) -> None:
        """Makes sure that the element has an object for its id and extensions."""
        if self.rows[index].extra is None:
            self.replace(index, Element(self.rows[index].value, b"{}"))

    def _store(self) -> None:
        columns = {
            self._member: [row.value for row in self.rows],
            f"_{self._member}": [row.extra for row in self.rows],
        }
        for name, column in columns.items():
            if any(piece is not None for piece in column):
                self._owner[name] = [_NULL if piece is None else piece for piece in column]
            else:
                self._owner.pop(name, None)


def _items(piece: Piece | None, budget: Budget) -> list[Piece | None]:
    items = opened(piece, budget) if piece is not None else []
    return [None if _is_null(item) else item for item in items] if isinstance(items, list) else []


def _is_null(piece: Piece) -> bool:
    return not isinstance(piece, dict | list) and bytes(piece) == _NULL


@dataclass(frozen=True, slots=True)
class Given:
    """A value of the Parameters: ``kind`` is HumanName of valueHumanName, '' of a resource or of parts."""

    kind: str
    element: Element
    parts: tuple[dict[str, msgspec.Raw], ...] = ()


def given_by(part: dict[str, msgspec.Raw]) -> Given:
    """The value that a part has."""
    if "part" in part:
        return Given("", Element(None, None), tuple(_parts.decode(part["part"])))
    if "resource" in part:
        return Given("", Element(part["resource"], None))
    kinds = {name.removeprefix("_") for name in part if name.lstrip("_").startswith("value")}
    if len(kinds) != 1:
        raise PatchFails("it has no value, or several.")
    [member] = kinds
    element = Element(part.get(member), part.get(f"_{member}"))
    return Given(member.removeprefix("value"), element)


def chosen(type: str, name: str, given: Given) -> Property:
    """The JSON member of ``type`` that holds the element ``name`` when its value is of that kind."""
    rows = [
        row
        for row in (properties_of(type).values() if type in TYPES else ())
        if name in {row.name, row.element_name.removesuffix("[x]")}
    ]
    if not rows:
        raise PatchFails("there is no element of that name there.")
    if len(rows) > 1:
        rows = [row for row in rows if row.type[0].upper() + row.type[1:] == given.kind]
    if not rows:
        raise PatchFails("the element cannot have a value of that type.")
    return rows[0]


def composed(given: Given, type: str) -> Element:
    """The element; one of a type without a name is made of the parts."""
    if not given.parts:
        return given.element
    if type in PRIMITIVES or type not in TYPES:
        raise PatchFails("parts make no value of that type.")
    made: dict[str, Piece] = {}
    for part in given.parts:
        name, inner = orjson.loads(bytes(part["name"])), given_by(part)
        row = chosen(type, name, inner)
        element = composed(inner, row.type)
        if row.element.repeats:
            List.of(made, row.name, Budget(0)).insert(None, element)
        else:
            element.store(made, row.name)
    return Element(made, None)


def prune(document: PatchedDocument, path: Tokens) -> None:
    """Takes away the object at ``path`` where it is empty, and what is empty then: FHIR has no empty elements."""
    while path and not document.inside(path):
        holder = document.inside(path[:-1])
        if isinstance(holder, list) and path[-2].startswith("_"):
            holder[int(path[-1])] = _NULL  # beside a primitive that keeps its place
            if not all(map(_is_null, holder)):
                return
            document.remove(path[:-1])
            path = path[:-2]
            continue
        document.remove(path)
        path = path[:-1]
