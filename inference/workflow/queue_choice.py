"""Which of the two ways a server offers."""

from __future__ import annotations

from typing import Any

import structlog

from inference.client import FhirClient
from inference.errors import Refused
from inference.workflow.queue import OperationsQueue, TaskQueue, Worker
from inference.workflow.queue_by_search import SearchQueue

log = structlog.get_logger(__name__)


async def choose_queue(client: FhirClient, worker: Worker) -> TaskQueue:
    """The operations where the server lists them in its CapabilityStatement, else search and If-Match."""
    try:
        statement = await client.metadata()
    except Refused:
        statement = {}
    if "claim" in _task_operations(statement):
        return OperationsQueue(client, worker)
    log.info("claim_by_search", reason="the server lists no $claim")
    return SearchQueue(client, worker)


def _task_operations(statement: dict[str, Any]) -> set[str]:
    return {
        str(operation.get("name"))
        for rest in statement.get("rest", ())
        for resource in rest.get("resource", ())
        if resource.get("type") == "Task"
        for operation in resource.get("operation", ())
    }
