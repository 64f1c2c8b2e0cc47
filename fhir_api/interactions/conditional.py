"""Conditions on what is stored: search criteria that pick one resource, If-Match, If-None-Match.

https://hl7.org/fhir/R4/http.html#ccreate and #concurrency. The matches are guarded: the commit fails, and is
decided again, when another write changed them in between. So a conditional create in a race never makes two.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_api.access import Caller, Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import query_pairs, version_of_etag
from fhir_api.search import compile_conditions
from fhir_api.search.reading import reading_of
from fhir_api.search.unfinished import unfinished
from fhir_api.visibility.conditions import reached
from store.interface import Guard, Version
from store.query import Query

NOT_CRITERIA = frozenset({"_format", "_pretty", "_summary", "_elements", "_count"})
"""Parameters that shape an answer and pick nothing."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Up to ``limit`` resources that met the criteria, and the guard that they still are all of them."""

    versions: tuple[Version, ...]
    guard: Guard
    more: bool


async def find_matches(
    api: Api, caller: Caller, type: str, criteria: str, base_url: str, *, limit: int = 2
) -> Matches:
    """The resources of ``type`` that meet the criteria, of those that the caller finds by a search.

    Raises:
        Forbidden: the caller may not search for the type, and so learns nothing by a condition on it.
        FhirError: no criteria, or a parameter that cannot be understood or whose index is not complete: a condition is
            never weakened in silence.
    """
    decide(caller, Interaction.SEARCH, type)
    pairs = [pair for pair in query_pairs(_bare(criteria, type)) if pair[0] not in NOT_CRITERIA]
    if not pairs:
        text = f"The condition on {type} has no search criteria."
        raise FhirError(Category.PRECONDITION, text, type)
    reading = await reading_of(api, pairs, base_url)
    where = reached(api, caller, type, compile_conditions(type, pairs, reading))
    query = Query(type, where, limit=limit)
    if issues := await unfinished(api.store, reading.parameters, (query,)):
        raise FhirError(Category.CONFLICT, issues[0].text, issues[0].expression)
    page = await api.store.search(query)
    versions = tuple(hit.version for hit in page.hits)
    return Matches(versions, Guard(type, where, tuple(v.id for v in versions)), page.more)


def _bare(criteria: str, type: str) -> str:
    """``identifier=x&active=true``, also where it comes as a URL: ``?…``, ``Patient?…``, or with a base, as HAPI sends it."""
    path, asks, query = criteria.partition("?")
    is_url = path in {"", type} or (
        path.startswith(("http://", "https://")) and path.endswith(f"/{type}")
    )
    return query if asks and is_url else criteria


async def find_one(api: Api, caller: Caller, type: str, criteria: str, base_url: str) -> Matches:
    """As ``find_matches``, of which there is one or none.

    Raises:
        FhirError: several match (412).
    """
    matches = await find_matches(api, caller, type, criteria, base_url)
    if len(matches.versions) > 1:
        text = f"The condition on {type} is met by several resources."
        raise FhirError(Category.MULTIPLE_MATCHES, text, type)
    return matches


def check_preconditions(
    current: Version | None, if_match: str | None, if_none_match: str | None, type: str
) -> None:
    """Holds the current version against the client's conditions.

    Raises:
        FhirError: it is another version than If-Match names, or one is there that If-None-Match forbids (412).
    """
    there = current if current and not current.deleted else None
    if if_match is not None and not (there and _names(if_match, there)):
        text = (
            f"If-Match does not name the current version of {type}."
            if there
            else f"If-Match names a version, but there is no such {type}."
        )
        raise FhirError(Category.PRECONDITION, text, type)
    if if_none_match is not None and there and _names(if_none_match, there):
        text = f"If-None-Match forbids this: the {type} is there."
        raise FhirError(Category.PRECONDITION, text, type)


def require_if_match(
    api: Api, caller: Caller, current: Version | None, if_match: str | None, type: str
) -> None:
    """Where the deployment wants it, nothing that is there is changed by its id without saying which version.

    Workers need not: what they write again are their own results, by ids that a repeat of the Task makes again.

    Raises:
        FhirError: there is no If-Match (428, RFC 6585).
    """
    if not api.options.require_if_match or if_match is not None or "worker" in caller.roles:
        return
    if current and not current.deleted:
        text = f"Say with If-Match which version of the {type} this changes."
        raise FhirError(Category.PRECONDITION_REQUIRED, text, "http.If-Match")


def _names(tags: str, version: Version) -> bool:
    return tags.strip() == "*" or any(
        version_of_etag(tag) == version.version for tag in tags.split(",")
    )
