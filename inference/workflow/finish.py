"""The last step: the Task and all its results in one transaction, or its refusal in one update.

Both name the version that this worker last heard of. Where the server says that there is another one, or nothing at
all, the Task is read again and says itself what happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from inference.client import FhirClient
from inference.errors import (
    Ambiguous,
    Changed,
    Conflict,
    Dropped,
    Failed,
    Missing,
    NotAllowed,
    Refused,
    Transient,
)
from inference.results.bundle import task_outputs, transaction
from inference.workflow.hold import Hold
from inference.workflow.queue import Handback, TaskQueue
from inference.workflow.task import WORKING, TaskDocument
from terminology.task_reasons import status_reason

log = structlog.get_logger(__name__)

_TRIES = 4

Send = Callable[[TaskDocument], Awaitable[None]]
"""Writes the Task's end over the version that it is given."""


async def complete(
    client: FhirClient, queue: TaskQueue, hold: Hold, outputs: list[dict[str, Any]]
) -> None:
    """Stores the results and completes the Task.

    Raises:
        Dropped: the Task is no longer ours; nothing was stored.
        Failed: the server will not have the results.
        Transient: it cannot be reached, or did not answer; the Task says later what became of it.
    """
    listed = task_outputs(outputs)

    async def send(document: TaskDocument) -> None:
        task = document.ended("completed", output=[*_others(document), *listed])
        body = transaction(client.base_url, outputs, hold.id, task, document.version)
        try:
            await client.transaction(body)
        except (Conflict, NotAllowed):
            raise
        except Refused as error:
            raise Failed("results-refused", f"The server refused the results: {error}.") from error

    await _end(client, queue, hold, send, "completed")


async def fail(
    client: FhirClient, queue: TaskQueue, hold: Hold, status: str, code: str, text: str
) -> None:
    """Ends the Task ``failed`` or ``rejected`` with a coded reason.

    Raises:
        Dropped: the Task is no longer ours.
        Transient: the server cannot be reached, or did not answer.
    """

    async def send(document: TaskDocument) -> None:
        task = document.ended(status, statusReason=status_reason(code, text))
        await client.update("Task", hold.id, bytes(task), if_match=document.version)

    await _end(client, queue, hold, send, status)


async def give_back(queue: TaskQueue, hold: Hold, handback: Handback) -> None:
    """Hands the Task back; where the server does not hear it, the lease runs out instead."""
    try:
        await queue.hand_back(hold, handback)
    except (Refused, Transient) as error:
        log.info("hand_back_failed", task=hold.id, error=type(error).__name__)


async def _end(client: FhirClient, queue: TaskQueue, hold: Hold, send: Send, status: str) -> None:
    for _ in range(_TRIES):
        hold.check()
        try:
            await send(await _current(client, hold))
        except (Conflict, Ambiguous) as error:
            if await _has_ended(client, hold, status):
                return
            hold.heard(await queue.heartbeat(hold))
            log.info("finish_again", task=hold.id, error=type(error).__name__)
        else:
            return
    raise Ambiguous("the Task kept changing while it was finished")


async def _current(client: FhirClient, hold: Hold) -> TaskDocument:
    """The Task as the server has it now, as far as this worker has heard.

    Raises:
        Changed: it asks for something else than what was done.
        Dropped: it is gone.
    """
    if hold.document.version != hold.version:
        document = await _read(client, hold)
        if not document.asks_the_same_as(hold.document):
            raise Changed("what the Task asks for changed while it was worked on")
        hold.document, hold.version = document, document.version
    return hold.document


async def _has_ended(client: FhirClient, hold: Hold, status: str) -> bool:
    """Whether what was sent did arrive: no other version of the Task says what it would say."""
    document = await _read(client, hold)
    if document.status in WORKING:
        hold.version = document.version
        return False
    if document.status == status:
        return True
    hold.drop(document.status)
    hold.check()
    return False


async def _read(client: FhirClient, hold: Hold) -> TaskDocument:
    try:
        return TaskDocument.parse((await client.read("Task", hold.id)).body)
    except Missing as error:
        raise Dropped("the Task is gone") from error


def _others(document: TaskDocument) -> list[Any]:
    """Outputs that stood in the Task before."""
    outputs = document.tree.get("output")
    return outputs if isinstance(outputs, list) else []
