"""Where a search looks: one type, some or all types, or a compartment.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from fhir_api.access import Caller, Forbidden, Interaction, decide, may
from fhir_api.definitions.compartments import COMPARTMENTS, SELF
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError
from fhir_api.search.criterion import invalid, not_supported
from fhir_api.search.grammar import Pairs
from store.query import AllOf, AnyOf, Condition, IdIn, ReferenceIs

ALL_TYPES = tuple(sorted(RESOURCE_TYPES))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search's URL says before its parameters.

    ``types`` are all that it could look at; where it is not ``typed``, ``_type`` chooses among them.
    ``compartment``: the type and id of whose compartment it is.
    """

    place: str
    """The URL below the base: ``Patient``, ``Patient/1/Observation``, ``Patient/1/*``, or '' for the system."""
    types: tuple[str, ...]
    typed: bool = True
    compartment: tuple[str, str] | None = None

    def chosen(self, pairs: Pairs, caller: Caller) -> tuple[str, ...]:
        """The types to look at: of those that ``_type`` names, or else of all, those that the caller may search.

        Raises:
            Forbidden: the caller may not search a type that is named, or none of all.
            FhirError: ``invalid``: ``_type`` names what is no type or is not here.
        """
        if self.typed:
            if any(name == "_type" for name, _ in pairs):
                raise not_supported("_type", "a search here is of one type, the one in the URL")
            decide(caller, Interaction.SEARCH, self.types[0])
            return self.types
        named = [type for name, value in pairs if name == "_type" for type in value.split(",")]
        if not set(named) <= set(self.types):
            raise invalid("_type", "it names types that can be searched here, with commas between")
        for type in named:
            decide(caller, Interaction.SEARCH, type)
        allowed = tuple(dict.fromkeys(named)) or tuple(
            type for type in self.types if may(caller, Interaction.SEARCH, type)
        )
        if not allowed:
            raise Forbidden(caller, Interaction.SEARCH, "")
        return allowed

    def within(self, type: str) -> tuple[Condition, ...]:
        """What a ``type`` must meet to be in the compartment; () outside of one."""
        return (members(*self.compartment, type),) if self.compartment else ()


def of_type(type: str) -> Scope:
    return Scope(type, (type,))


SYSTEM = Scope("", ALL_TYPES, typed=False)


def of_compartment(compartment: str, id: str, type: str) -> Scope:
    """The resources of a type, or of all ('*'), in a compartment.

    Raises:
        FhirError: ``not-supported``: there is no such compartment, or the type is never in it.
    """
    types = types_in(compartment)
    place = f"{compartment}/{id}/{type}"
    if type == "*" and types:
        return Scope(place, types, typed=False, compartment=(compartment, id))
    if type not in types:
        text = f"There are no {type if type != '*' else 'resources'} in a compartment of {compartment}."
        raise FhirError(Category.NOT_SUPPORTED, text, "http.url")
    return Scope(place, (type,), compartment=(compartment, id))


@cache
def types_in(compartment: str) -> tuple[str, ...]:
    """The types that can be in a compartment; () where there are no compartments of that type."""
    return tuple(sorted(COMPARTMENTS.get(compartment, ())))


def members(compartment: str, id: str | None, type: str) -> Condition:
    """What a ``type`` of the compartment of ``id`` meets; None: of any compartment of that type."""
    ways: list[Condition] = [
        ReferenceIs(code, compartment, id)
        for code in COMPARTMENTS[compartment][type]
        if code != SELF
    ]
    if type == compartment:
        ways.append(IdIn((id,)) if id is not None else AllOf(()))
    return ways[0] if len(ways) == 1 else AnyOf(tuple(ways))
