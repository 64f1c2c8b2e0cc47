"""transaction: all of its entries or none (https://hl7.org/fhir/R4/http.html#trules).

Everything is decided before anything is written: which resource each entry is about, where the links between
them lead, whether each is valid. Then one commit holds every version. GET entries are answered after it, so they see
what it did; one that finds nothing says so in its own response and undoes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from fhir_api.api import Api
from fhir_api.document import Tree
from fhir_api.errors import ALL_OK, Category, FhirError, Issue, outcome_bytes
from fhir_api.http import Request, Response, preference
from fhir_api.interactions.entries import Entry, answered, request_of, version_response
from fhir_api.interactions.existence import with_existing_targets
from fhir_api.interactions.links import replace_links, require_no_placeholder
from fhir_api.interactions.payload import set_aside
from fhir_api.interactions.references import ConditionalReferences, Written
from fhir_api.interactions.representation import page_content_of, shows
from fhir_api.interactions.targets import Action, Key, Target, TargetFinder, Targets, check_entry
from fhir_api.interactions.write import (
    Decision,
    Draft,
    build_deletion,
    build_write,
    decide_and_commit,
    draft,
    is_unchanged,
    new_id,
    version_of,
    with_payload_stored,
)
from store.interface import Commit, Guard, Version, Write

Handle = Callable[[Api, Request], Awaitable[Response]]

BREATH = 16
"""After so many resources others are served, so that a long transaction does not stop short requests."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an entry. No version: there was nothing to delete."""

    status: int
    version: Version | None


async def transaction(
    api: Api, request: Request, entries: list[Entry], handle: Handle
) -> list[bytes]:
    """The response entries, in the order of the request's.

    Raises:
        FhirError: an entry cannot be done (its ``expression`` names it); nothing was.
    """
    for entry in entries:
        check_entry(entry, request)
    _require_unique_urls(entries)
    writing = [entry for entry in entries if entry.method not in {"GET", "HEAD"}]
    now_us = api.clock()
    fresh = {entry.index: new_id(now_us) for entry in writing if entry.method != "DELETE"}

    async def decision() -> Decision[dict[int, Done]]:
        finder = TargetFinder(api, request, fresh)
        return await _decided(api, request, await finder.find(writing))

    done = (
        await decide_and_commit(api, with_existing_targets(api, request, decision))
        if writing
        else {}
    )
    return [await _answer(api, request, entry, done, handle) for entry in entries]


async def _decided(api: Api, request: Request, found: Targets) -> Decision[dict[int, Done]]:
    drafts, guards = await _drafts(api, request, found)
    studies = {
        target.reference: drafts[target.entry.index].tree
        for target in found.targets
        if target.entry.type == "ImagingStudy" and target.entry.index in drafts
    }

    async def written_study(reference: str) -> Tree | None:
        return studies.get(reference)

    now_us = api.clock()
    writes: list[Write] = []
    unchanged: list[tuple[str, str, int]] = []
    done: dict[int, Done] = {}
    made: dict[Key, Version] = {}
    for target in found.targets:
        index, current = target.entry.index, target.current
        if target.action is Action.NOTHING:
            done[index] = Done(204 if target.entry.method == "DELETE" else 200, current)
            continue
        if target.action is Action.TWIN:
            continue
        if target.action is Action.DELETE:
            assert current is not None
            write = build_deletion(api, current, now_us)
            status = 204
        elif current and is_unchanged(drafts[index], current):
            unchanged.append((*target.key, current.version))
            done[index] = Done(200, current)
            continue
        else:
            try:
                write = await build_write(
                    api,
                    drafts[index],
                    target.id,
                    current,
                    target.entry.method,
                    by=request.caller,
                    base_url=request.base_url,
                    now_us=now_us,
                    read_study=written_study,
                )
            except FhirError as error:
                raise error.within(f"{target.entry.place}.resource", target.entry.type) from error
            status = 200 if current and not current.deleted else 201
        writes.append(write)
        made[target.key] = version_of(write)
        done[index] = Done(status, made[target.key])
    for target in found.targets:
        if target.action is Action.TWIN:
            version = made.get(target.key) or await api.store.read(*target.key)
            done[target.entry.index] = Done(200, version)
    commit = Commit(
        writes=tuple(writes), guards=(*found.guards, *guards), unchanged=tuple(unchanged)
    )
    return Decision(commit if writes else None, done)


async def _drafts(
    api: Api, request: Request, found: Targets
) -> tuple[dict[int, Draft], tuple[Guard, ...]]:
    """Every resource to be written, its links replaced, by index; and what its conditional references rest on."""
    links = _links(found.targets)
    base = request.base_url.encode()
    # A patched resource is mostly a stored one, whose references mean what is stored.
    placeholders = {link: target for link, target in links.items() if link.startswith(b"urn:")}
    written = [
        Written(target.entry.type, target.id, target.entry.resource)
        for target in found.targets
        if target.action in {Action.WRITE, Action.DELETE}
    ]
    references = ConditionalReferences(api, request, written, found.conditions)
    drafts: dict[int, Draft] = {}
    refusals: list[FhirError] = []
    for target in found.targets:
        entry = target.entry
        if target.action is not Action.WRITE:
            continue
        assert entry.resource is not None
        if entry.index % BREATH == 0:
            await asyncio.sleep(0)
        try:
            patched = entry.method == "PATCH"
            sent, payload = entry.resource, None
            if entry.type == "Binary":
                sent, payload = set_aside(sent)
            body = replace_links(sent, placeholders if patched else links, base)
            body = await references.resolved(body)
            require_no_placeholder(body)
            drafts[entry.index] = replace(draft(api, entry.type, body), payload=payload)
        except FhirError as error:
            refusals.append(error.within(f"{entry.place}.resource", entry.type))
    if refusals:
        issues: list[Issue] = [issue for refusal in refusals for issue in refusal.issues]
        raise FhirError(refusals[0].category, refusals[0].text, issues=issues)
    # Each waits for the disk: together they wait once.
    binaries = {index: one for index, one in drafts.items() if one.type == "Binary"}
    stored = await asyncio.gather(*(with_payload_stored(api, one) for one in binaries.values()))
    drafts.update(zip(binaries, stored, strict=True))
    return drafts, tuple(references.guards)


def _links(targets: tuple[Target, ...]) -> dict[bytes, bytes]:
    """What stands in the Bundle for each target → its reference on this server.

    An entry's fullUrl, and where that is RESTful, the relative ``Type/id`` that means it in the Bundle.
    """
    links: dict[bytes, bytes] = {}
    for target in targets:
        url = target.entry.full_url
        if not url or target.entry.method == "DELETE":
            continue
        reference = target.reference.encode()
        links[url.encode()] = reference
        base, _, id = url.rpartition("/")
        if "://" in base and base.endswith(f"/{target.entry.type}"):
            links.setdefault(f"{target.entry.type}/{id}".encode(), reference)
    return {link: target for link, target in links.items() if link != target}


def _require_unique_urls(entries: list[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.full_url is None:
            continue
        if entry.full_url in seen:
            text = "Another entry has the same fullUrl."
            raise entry.refused(Category.INVALID, text, "fullUrl")
        seen.add(entry.full_url)


async def _answer(
    api: Api, request: Request, entry: Entry, done: dict[int, Done], handle: Handle
) -> bytes:
    result = done.get(entry.index)
    if result is None:
        return answered(entry, request, await handle(api, request_of(entry, request)))
    if result.version is None:
        return b'{"response":{"status":"204 No Content"}}'
    returns = preference(request).returns
    shown = (
        returns == "representation"
        and not result.version.deleted
        and await shows(api, request.caller, result.version)
    )
    resource = await page_content_of(api, result.version) if shown else None
    outcome = outcome_bytes((ALL_OK,)) if returns == "OperationOutcome" else None
    return version_response(result.version, result.status, resource, outcome)
