"""Every request becomes an access that is audited, whatever came of it; the AuditEvents are made of it later (ADR 18).

What a commit changes is audited by outbox rows of that same commit. All else is written to the journal before the answer
leaves. What cannot be written down is not answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from audit.access import Access, Actor, Target, encoded, encoded_actor
from audit.delivery import TOPIC
from audit.errors import JournalUnavailable
from audit.journal import Journal
from fhir_api.access import OURSELVES, Caller
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, error_response, version_of_etag
from store.interface import Commit, Outgoing

if TYPE_CHECKING:
    from fhir_api.api import Api

LONGEST_QUERY: Final = 64 * 1024
"""Characters of a query that are kept; a form may have more."""
_LONGEST_TRACE: Final = 128
_ACTOR: Final = "audit.actor"


@dataclass(slots=True)
class _Trail:
    request: Request
    committed: bool = False


_current: ContextVar[_Trail | None] = ContextVar("audited_request", default=None)


async def audited(
    api: Api, request: Request, answer: Callable[[Api, Request], Awaitable[Response]]
) -> Response:
    """The answer to ``request``, once the access is written down; 503 where that cannot be."""
    journal = api.journal
    if journal is None or request.path == ("metadata",):
        return await answer(api, request)
    trail = _Trail(request)
    token = _current.set(trail)
    try:
        response = await answer(api, request)
    finally:
        _current.reset(token)
    if trail.committed and response.status < 400 and not _is_more_than_a_write(request):
        return response
    return await noted(journal, api.clock(), request, response)


async def noted(journal: Journal, now_us: int, request: Request, response: Response) -> Response:
    """The response, once the access is in the journal; 503 where that cannot be."""
    try:
        journal.append(encoded(_access_of(now_us, request, response)))
        await journal.settle()
    except JournalUnavailable:
        text = "The access cannot be audited now, so it is not answered."
        return error_response(FhirError(Category.TRANSIENT, text, headers=(("Retry-After", "2"),)))
    return response


async def keep_event(
    journal: Journal, now_us: int, request: Request, id: str, content: bytes
) -> None:
    """Keeps an AuditEvent that was sent, with the access that its sending is, on disk.

    Raises:
        FhirError: ``transient``: that is not possible now.
    """
    written = (Target(request.path[0], id, 1, "POST"),)
    access = _access(now_us, request, 201, written)
    access = msgspec.structs.replace(access, posted=content.decode())
    try:
        journal.append(encoded(access))
        await journal.settle(at_once=True)
    except JournalUnavailable as error:
        text = "The AuditEvent cannot be kept now."
        raise FhirError(Category.TRANSIENT, text, headers=(("Retry-After", "2"),)) from error
    trail = _current.get()
    if trail is not None:
        trail.committed = True


@contextmanager
def attributed(request: Request) -> Iterator[None]:
    """What is committed within is audited as ``request``'s."""
    token = _current.set(_Trail(request))
    try:
        yield
    finally:
        _current.reset(token)


def with_outbox(api: Api, commit: Commit) -> Commit:
    """The commit with the access that it is, where it changes resources."""
    written = tuple(
        Target(write.type, write.id, write.version, write.method)
        for write in commit.writes
        if write.type in RESOURCE_TYPES
    )
    if api.journal is None or not written:
        return commit
    trail = _current.get()
    if trail is not None:
        trail.committed = True
    access = _access(api.clock(), trail.request if trail else _OUR_OWN, 200, written)
    first = written[0]
    key = f"{access.at_us}/{access.request_id}/{first.type}/{first.id}/{first.version}"
    row = Outgoing(TOPIC, encoded(access), key)
    return replace(commit, outbox=(*commit.outbox, row))


_OUR_OWN: Final = Request("", (), "", {}, b"", OURSELVES, "")
"""What the server does of itself."""


def _is_more_than_a_write(request: Request) -> bool:
    """Whether an access is audited beside what it wrote: Bundles and operations are."""
    path = request.path
    return not path or path[-1].startswith("$")


def _access_of(now_us: int, request: Request, response: Response) -> Access:
    targets: tuple[Target, ...] = ()
    if response.status < 400:
        if response.shown:
            targets = tuple(Target(one.type, one.id, one.version) for one in response.shown)
        elif request.method in {"GET", "HEAD"}:
            targets = _read(request.path, response)
    return _access(now_us, request, response.status, targets, _bundle(request, response))


def _read(path: tuple[str, ...], response: Response) -> tuple[Target, ...]:
    """The version that a read or vread has shown, by its ETag."""
    tag = response.header("ETag")
    if tag is None or len(path) not in {2, 4} or (version := version_of_etag(tag)) is None:
        return ()
    return (Target(path[0], path[1], version),)


def _bundle(request: Request, response: Response) -> str:
    if request.path or request.method != "POST":
        return ""
    return "batch" if b'"batch-response"' in response.body[:100] else "transaction"


def _access(
    now_us: int, request: Request, status: int, targets: tuple[Target, ...], bundle: str = ""
) -> Access:
    query = request.query
    if request.method == "POST" and request.body and request.path[-1:] == ("_search",):
        form = request.body[:LONGEST_QUERY].decode("latin-1")
        query = f"{query}&{form}" if query else form
    return Access(
        now_us,
        request.id,
        request.headers.get("traceparent", "")[:_LONGEST_TRACE],
        request.method,
        request.path,
        query[:LONGEST_QUERY],
        status,
        _actor(request.caller),
        request.address,
        request.base_url,
        targets,
        bundle,
    )


def _actor(caller: Caller) -> msgspec.Raw:
    actor: msgspec.Raw | None = caller.compiled.get(_ACTOR)
    if actor is None:
        actor = encoded_actor(
            Actor(
                caller.id,
                caller.user,
                caller.subject,
                caller.token_id,
                caller.purpose,
                tuple(sorted(caller.roles)),
            )
        )
        caller.compiled[_ACTOR] = actor
    return actor
