"""The audit of a deployment: where it lies beside the data, what serves it, and the process that delivers to it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop

from audit.delivery import Delivery
from audit.journal import Journal
from audit.journal_files import JournalFiles
from audit.signing import Signer
from audit.sqlite import EVENT, Indexed, SqliteSink
from fhir_api.api import Api, utc_now_us
from fhir_api.patients import patients_in
from fhir_api.search.extract import entries_of
from fhir_api.search.parameters import EXTRACTION
from healthvision import logs
from healthvision.settings import Audit, AuditSync, Settings
from healthvision.supervisor import end_with_parent
from store.entries import Entry
from store.errors import StoreError
from store.sqlite import SqliteStore

log = structlog.get_logger(__name__)

POLITENESS = 10
"""Requests come first: this process is nicer than those that answer."""


def folder_of(settings: Settings) -> Path:
    """Journals, store, keys and checkpoints of the audit."""
    return settings.data_dir / "audit"


def is_on(settings: Settings) -> bool:
    return settings.audit is Audit.ON


def journal_of(settings: Settings) -> Journal | None:
    """The journal of this process; None where nothing is audited.

    Raises:
        JournalUnavailable: it cannot be made.
    """
    if not is_on(settings):
        return None
    before_answer = settings.audit_sync is AuditSync.BEFORE_ANSWER
    return Journal(_journals(settings), sync_before_answer=before_answer)


def with_audit(api: Api, settings: Settings) -> Api:
    """The API that serves AuditEvents from the audit's own store, where there is one.

    Raises:
        StoreUnavailable: it cannot be opened.
    """
    if not is_on(settings):
        return api
    kept = replace(api, store=audit_store(settings), watcher=None)
    return replace(api, audit=kept)


def audit_store(settings: Settings) -> SqliteStore:
    """Raises StoreUnavailable where it cannot be opened."""
    path = folder_of(settings) / "store"
    return SqliteStore.open(path, readers=1, search_limit_s=settings.search_limit_s)


def checkpoint_file(settings: Settings) -> Path:
    return settings.audit_checkpoint_file or folder_of(settings) / "checkpoints.ndjson"


def run_delivery(settings: Settings) -> None:
    """Delivers until SIGTERM, then what is left."""
    end_with_parent()
    logs.configure(settings.log_level, process="audit")
    os.nice(POLITENESS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_deliver(settings))


async def _deliver(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = SqliteStore.open(settings.data_dir, readers=1)
    sink = sink_of(settings)
    delivery = delivery_of(settings, store, sink)
    tasks = (
        asyncio.create_task(delivery.keep_delivering()),
        asyncio.create_task(_keep_signing(sink, settings.audit_checkpoint_s)),
    )
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with suppress(StoreError):  # it is delivered after the next start
        await delivery.all()
        await sink.checkpoint(utc_now_us())
    await sink.close()
    await store.close()


def sink_of(settings: Settings) -> SqliteSink:
    """Raises StoreUnavailable where it cannot be opened."""
    store = audit_store(settings)
    index = Indexed(partial(_entries, settings.fhir_url), EXTRACTION)
    return SqliteSink(store, index, Signer(folder_of(settings)), checkpoint_file(settings))


def delivery_of(settings: Settings, store: SqliteStore, sink: SqliteSink) -> Delivery:
    patients = partial(patients_in, base_url=settings.fhir_url)
    return Delivery(store, JournalFiles(_journals(settings)), sink, patients)


def _entries(base_url: str, event: dict[str, Any]) -> tuple[Entry, ...]:
    return entries_of(EVENT, event, base_url)


def _journals(settings: Settings) -> Path:
    return folder_of(settings) / "journal"


async def _keep_signing(sink: SqliteSink, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await sink.checkpoint(utc_now_us())
        except (StoreError, OSError) as error:
            log.warning("audit_checkpoint_failed", error=type(error).__name__)
