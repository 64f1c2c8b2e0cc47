"""The one way in which anything becomes a version: read, validate, stamp, index, commit.

Reads decide, a ``Commit`` carries the decision with the versions and matches it rests on, and when somebody else's
write came first the decision is made again, a bounded number of times. An If-Match that no longer holds is found
by deciding again. Content that is byte for byte what is stored already makes no new version
(https://hl7.org/fhir/R4/http.html#update leaves that to the server); a Task always makes one, because an update
renews what it holds in the queue.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import orjson

from fhir_api.access import Caller, Interaction
from fhir_api.api import Api
from fhir_api.auditing import with_outbox
from fhir_api.document import Tree, parse, stamp
from fhir_api.errors import Category, FhirError
from fhir_api.http import instant
from fhir_api.interactions.payload import keep_payload, take_payload
from fhir_api.search.extract import entries_of
from fhir_api.tasks.queue import ReadStudy, queue_change
from fhir_api.tasks.states import illegal_transition
from fhir_api.visibility.writing import require_in_grants, require_may_say
from store.errors import GuardFailed, VersionConflict
from store.interface import Commit, QueueAction, QueueChange, Version, Write

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draft:
    """A legible, valid resource that has no version yet. ``body`` is what was sent, ``tree`` what it says."""

    type: str
    tree: Tree
    body: bytes
    blob: str | None = None
    """sha256 of a Binary's payload that is stored already (a raw upload)."""
    payload: bytes | None = None
    """A Binary's, where it was set aside."""


def draft(api: Api, type: str, body: bytes) -> Draft:
    """Reads and validates what a client sent.

    Raises:
        FhirError: not legible, not a ``type``, or not valid.
    """
    return checked(api, type, parse(body, api.options.max_depth), body)


def checked(api: Api, type: str, tree: Tree, body: bytes) -> Draft:
    """As ``draft``, of a body that is parsed already."""
    said = tree.get("resourceType")
    if said != type:
        text = f"The body is not a {type}: resourceType says otherwise or is missing."
        raise FhirError(Category.INVALID, text, "resourceType" if said is None else type)
    issues = api.validator.validate(tree, type)
    if issues and any(issue.is_error for issue in issues):
        text = f"The {type} is not valid."
        raise FhirError(Category.UNPROCESSABLE, text, issues=issues)
    if type == "SearchParameter":
        api.search_parameters.check(tree)
    return Draft(type, tree, body)


def _random_bytes() -> Iterator[bytes]:
    """Ten at a time, asked of the system by the block: each such call gives the interpreter to another thread."""
    while True:
        block = os.urandom(10 * 256)
        yield from (block[at : at + 10] for at in range(0, len(block), 10))


_random = _random_bytes()


def new_id(now_us: int) -> str:
    """A UUID that begins with the time (version 7), so that new rows lie side by side on disk."""
    number = (now_us // 1000) << 80 | int.from_bytes(next(_random), "big")
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


async def with_payload_stored(api: Api, binary: Draft) -> Draft:
    """The Binary with its ``data`` in a blob, where they are not in one yet."""
    if binary.blob is not None:
        return binary
    if binary.payload is not None:
        body, blob = await keep_payload(api, binary.body, binary.payload)
        return replace(binary, body=body, blob=blob, payload=None)
    body, taken = await take_payload(api, binary.tree, binary.body)
    return replace(binary, body=body, blob=taken)


async def build_write(
    api: Api,
    resource: Draft,
    id: str,
    current: Version | None,
    method: str,
    *,
    by: Caller,
    base_url: str = "",
    now_us: int | None = None,
    queue: QueueChange | None = None,
    read_study: ReadStudy | None = None,
) -> Write:
    """The next version of ``resource``, ready to commit.

    ``current`` is what it replaces, a deletion too (None: the id was never used); ``method`` is POST, PUT or PATCH,
    as history tells it; ``by`` is who writes, and may say only what is theirs to say; absolute references below ``base_url`` become local in the index; ``queue`` is what this
    does to a Task's queue entry where the caller decides that itself ($claim), else the Task says it;
    ``read_study`` finds an ImagingStudy that the same transaction writes.

    Raises:
        Forbidden: that is not for the caller to write.
        FhirError: a Task cannot go where it is sent.
    """
    type = resource.type
    known = api.search_parameters.active
    version = current.version + 1 if current else 1
    now_us = api.clock() if now_us is None else now_us
    if current:
        now_us = max(now_us, current.last_updated_us + 1)
    entries = entries_of(type, resource.tree, base_url, known.added(type))
    require_may_say(by, type, resource.tree, resource.body, current)
    if by.scopes is not None:
        interaction = Interaction.CREATE if method == "POST" else Interaction.UPDATE
        require_in_grants(api, by, interaction, type, id, now_us, entries)
    if type == "Binary":
        resource = await with_payload_stored(api, resource)
    elif type == "Task" and queue is None:
        queue = await _queue_of(api, resource.tree, id, current, now_us, read_study)
    return Write(
        type=type,
        id=id,
        version=version,
        expected_version=version - 1,
        last_updated_us=now_us,
        method=method,
        content=stamp(resource.body, id, version, instant(now_us)),
        entries=entries,
        blob=resource.blob,
        blobs=(resource.blob,) if resource.blob else (),
        queue=queue,
        edition=known.edition(type),
    )


async def _queue_of(
    api: Api,
    task: Tree,
    id: str,
    current: Version | None,
    now_us: int,
    read_study: ReadStudy | None,
) -> QueueChange | None:
    previous = await api.store.queue_entry("Task", id) if current else None
    if current and not current.deleted:
        refusal = illegal_transition(orjson.loads(current.content), task)
        if refusal:
            raise FhirError(Category.BUSINESS_RULE, refusal, "Task.status")

    async def stored_study(reference: str) -> Tree | None:
        if read_study and (written := await read_study(reference)):
            return written
        type, _, rest = reference.partition("/")
        version = await api.store.read(type, rest.partition("/")[0])
        return orjson.loads(version.content) if version and not version.deleted else None

    return await queue_change(task, previous, stored_study, now_us)


def build_deletion(api: Api, current: Version, now_us: int | None = None) -> Write:
    """The version that says that a resource is gone. ``current`` is no deletion itself."""
    return Write(
        type=current.type,
        id=current.id,
        version=current.version + 1,
        expected_version=current.version,
        last_updated_us=max(now_us or api.clock(), current.last_updated_us + 1),
        method="DELETE",
        content=b"",
        queue=QueueChange(QueueAction.REMOVE) if current.type == "Task" else None,
    )


def is_unchanged(resource: Draft, current: Version) -> bool:
    """Whether the draft says, byte for byte, what ``current`` says already."""
    if current.deleted or current.type in {"Task", "Binary"}:
        return False
    said = stamp(resource.body, current.id, current.version, instant(current.last_updated_us))
    return said == current.content


def version_of(write: Write) -> Version:
    """The version that a write becomes when it is committed."""
    return Version(
        write.type,
        write.id,
        write.version,
        write.last_updated_us,
        write.method,
        write.content,
        write.blob,
    )


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What to commit (None: nothing) and what to answer once it is."""

    commit: Commit | None
    result: T


async def decide_and_commit(api: Api, decide: Callable[[], Awaitable[Decision[T]]]) -> T:
    """Decides and commits, and again where somebody else's write came first.

    Raises:
        FhirError: what ``decide`` raised; ``conflict`` when others never let it through.
        StoreError: the store cannot.
    """
    for attempt in range(api.options.commit_attempts):
        decision = await decide()
        if decision.commit is None:
            return decision.result
        try:
            await api.store.commit(with_outbox(api, decision.commit))
        except (VersionConflict, GuardFailed):
            if attempt > 1:
                await asyncio.sleep(random.uniform(0, 0.002 * attempt))  # noqa: S311 - spreads, hides nothing
            continue
        if api.watcher is not None:
            await api.watcher.committed(decision.commit)
        return decision.result
    raise FhirError(
        Category.CONFLICT,
        "Other requests kept changing the same resources; nothing was written. Try again.",
        headers=(("Retry-After", "1"),),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A resource made in this process. ``current`` is the version it was made from; None: there was none."""

    resource: dict[str, Any]
    """Whole, with resourceType and id."""
    current: Version | None


async def save(
    api: Api,
    rebuild: Callable[[], Awaitable[tuple[Sequence[Change], Sequence[Write]]]],
    *,
    by: Caller,
    base_url: str = "",
) -> tuple[Version, ...]:
    """Writes resources of our own and other records (an archive's) in one commit, through the same checks as any.

    ``rebuild`` reads what is stored and answers the resources and the ready writes beside them; it is asked again
    when something of it changed meanwhile. ``by``: who writes.

    Returns:
        The resources' versions, in order; those that say nothing new keep the version they had.

    Raises:
        FhirError: a resource is not valid, or others never let it through.
    """

    async def decide() -> Decision[tuple[Version, ...]]:
        changes, writes = await rebuild()
        versions: list[Version] = []
        ours: list[Write] = []
        unchanged: list[tuple[str, str, int]] = []
        for change in changes:
            type, id = change.resource["resourceType"], change.resource["id"]
            resource = checked(api, type, change.resource, orjson.dumps(change.resource))
            if change.current and is_unchanged(resource, change.current):
                versions.append(change.current)
                unchanged.append((type, id, change.current.version))
                continue
            method = "PUT" if change.current else "POST"
            write = await build_write(
                api, resource, id, change.current, method, by=by, base_url=base_url
            )
            ours.append(write)
            versions.append(version_of(write))
        if not ours and not writes:
            return Decision(None, tuple(versions))
        return Decision(
            Commit(writes=(*ours, *writes), unchanged=tuple(unchanged)), tuple(versions)
        )

    return await decide_and_commit(api, decide)
