"""The search interaction: criteria and presentation in, one page of a searchset Bundle out.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.http import Request, Response, json_response, preference
from fhir_api.interactions.representation import page_content_of, without_data
from fhir_api.search.bundle import Entry, search_url, searchset
from fhir_api.search.criteria import ANSWER_FORMAT, read_criteria
from fhir_api.search.grammar import Pairs
from fhir_api.search.include import NO_INCLUDES, included
from fhir_api.search.links import PAGE, seal, unseal
from fhir_api.search.merging import count_of, page_of
from fhir_api.search.presentation import Presentation, Total, read_presentation
from fhir_api.search.reading import reading_of
from fhir_api.search.scope import Scope
from fhir_api.search.subset import Subset
from fhir_api.search.unfinished import unfinished
from fhir_api.tasks.progress import may_have_progress, merge
from fhir_api.visibility.conditions import reached, visible
from store.errors import SearchTooCostly
from store.interface import Page, Version
from store.query import Cursor, Query, Visible


@dataclass(frozen=True, slots=True)
class Search:
    """One page of a search, understood."""

    place: str
    """The URL below the base."""
    queries: tuple[Query, ...]
    """One of each type that is searched."""
    presentation: Presentation
    after: Cursor | None
    token: str | None
    """Of the page link that was followed."""
    used: Pairs
    """The parameters that were followed."""
    ignored: tuple[Issue, ...]
    """Warnings about the others."""


async def search(api: Api, scope: Scope, pairs: Pairs, request: Request) -> Response:
    """Answers a search with the page that its parameters ask for.

    Args:
        api: the deployment.
        scope: where to look.
        pairs: names and values of the parameters, percent-decoded, in the order sent.
        request: who asks, by which base URL, and with which preferences.

    Raises:
        Forbidden: the caller may not search there.
        FhirError: ``invalid`` for what cannot be understood, ``too-costly`` beyond a limit.
    """
    asked = await _understood(api, scope, pairs, request)
    return await answer(api, asked, request, partial(visible, api, request.caller))


async def answer(api: Api, asked: Search, request: Request, sees: Visible) -> Response:
    """The page as a searchset; ``sees``: what may be included.

    Raises:
        SearchTooCostly: it takes longer than a search may.
    """
    try:
        async with asyncio.timeout(api.options.search_limit_s):
            return await _found(api, asked, request, sees)
    except TimeoutError as error:
        raise SearchTooCostly("the search took too long and was broken off") from error


async def _found(api: Api, asked: Search, request: Request, sees: Visible) -> Response:
    shape = asked.presentation
    missing = await _unfinished(api, asked, request)
    if shape.only_total:
        count = await count_of(api.store, asked.queries)
        return _answer(api, asked, request, count, Page((), more=False), (), missing)
    page = await page_of(api.store, asked.queries)
    versions = [hit.version for hit in page.hits]
    others = NO_INCLUDES
    if shape.includes:
        others = await included(
            api.store,
            api.search_parameters.active,
            sees,
            versions,
            shape.includes,
            request.base_url,
            api.options.include_limit,
        )
    entries = [
        *await _entries(api, versions, shape.subset, "match"),
        *await _entries(api, others.versions, shape.subset, "include"),
    ]
    total = await _total(api, asked, page)
    response = _answer(api, asked, request, total, page, entries, missing + others.warnings)
    return replace(response, shown=(*versions, *others.versions))


async def _understood(api: Api, scope: Scope, pairs: Pairs, request: Request) -> Search:
    strict = preference(request).strict
    token, pairs, after = followed(api, scope.place, pairs)
    types = scope.chosen(pairs, request.caller)
    reading = await reading_of(api, pairs, request.base_url)
    criteria = read_criteria(types, pairs, reading, strict=strict)
    presentation = read_presentation(
        reading.parameters,
        types,
        pairs,
        page_size=api.options.page_size,
        page_limit=api.options.page_limit,
        strict=strict,
    )
    queries = tuple(
        Query(
            type,
            reached(api, request.caller, type, scope.within(type) + where),
            presentation.sort,
            after,
            max(presentation.count, 1),
        )
        for type, where in zip(types, criteria.where, strict=True)
    )
    chosen = [pair for pair in pairs if pair[0] == "_type" and not scope.typed]
    return Search(
        place=scope.place,
        queries=queries,
        presentation=presentation,
        after=after,
        token=token,
        used=chosen + criteria.used + presentation.used,
        ignored=criteria.ignored + presentation.ignored,
    )


def followed(api: Api, place: str, pairs: Pairs) -> tuple[str | None, Pairs, Cursor | None]:
    """The token of the page link that the pairs are, if they are one; the search's own pairs; where its page begins.

    Raises:
        FhirError: ``invalid``: something stands beside the token, or it is not one for this place.
    """
    tokens = [value for name, value in pairs if name == PAGE]
    if not tokens:
        return None, pairs, None
    # A client that goes on may name a page size once more (Medplum's does): the search's own stays.
    others = {name for name, _ in pairs} - ANSWER_FORMAT - {PAGE, "_count"}
    if others or len(tokens) > 1:
        raise FhirError(
            Category.INVALID,
            "A page link holds its search: nothing may be added to it.",
            f"http.{PAGE}",
        )
    return tokens[0], *unseal(api.options.cursor_key, place, tokens[0])


async def _unfinished(api: Api, asked: Search, request: Request) -> tuple[Issue, ...]:
    """Warnings about parameters that may not find everything yet; under ``handling=strict`` they are an error."""
    known = api.search_parameters.active
    issues = await unfinished(api.store, known, asked.queries, asked.presentation.includes)
    if issues and preference(request).strict:
        raise FhirError(Category.CONFLICT, issues[0].text, issues[0].expression)
    return issues


async def _total(api: Api, asked: Search, page: Page) -> int | None:
    """How many match in all, where it was asked for or costs nothing."""
    if asked.after is None and not page.more:
        return len(page.hits)
    if asked.presentation.total is Total.NONE:
        return None
    return await count_of(api.store, asked.queries)


async def _entries(api: Api, versions: Sequence[Version], subset: Subset, mode: str) -> list[Entry]:
    if subset.whole and not any(version.type in {"Binary", "Task"} for version in versions):
        return [Entry(version.type, version.id, version.content, mode) for version in versions]
    claimed = [
        version.id
        for version in versions
        if version.type == "Task" and may_have_progress(version.content)
    ]
    queue = await api.store.queue_entries("Task", claimed) if claimed else {}
    room = api.options.max_body_bytes
    entries = []
    for version in versions:
        content = version.content
        if version.type == "Binary":
            # A page is held in memory: once it is full, what follows comes without its data.
            content = await page_content_of(api, version) if room > 0 else without_data(version)
            room -= len(content)
        elif version.type == "Task" and version.id in queue:
            content = merge(content, queue[version.id].progress)
        entries.append(Entry(version.type, version.id, subset.of(version.type, content), mode))
    return entries


def _answer(
    api: Api,
    asked: Search,
    request: Request,
    total: int | None,
    page: Page,
    entries: Sequence[Entry] = (),
    further: tuple[Issue, ...] = (),
) -> Response:
    warnings = asked.ignored + further
    return json_response(
        200,
        searchset(request.base_url, _links(api, asked, request, page), total, entries, warnings),
    )


def _links(api: Api, asked: Search, request: Request, page: Page) -> list[tuple[str, str]]:
    """The links of a page. A search that came in a form keeps its parameters out of the links to follow, too."""

    def page_url(token: str) -> str:
        return search_url(request.base_url, asked.place, [(PAGE, token)])

    def sealed(cursor: Cursor | None) -> str:
        return page_url(seal(api.options.cursor_key, asked.place, asked.used, cursor))

    links = []
    if asked.token is not None:
        links += [("self", page_url(asked.token)), ("first", sealed(None))]
    else:
        links.append(("self", search_url(request.base_url, asked.place, asked.used)))
    if page.more:
        links.append(("next", sealed(page.hits[-1].cursor)))
    return links
