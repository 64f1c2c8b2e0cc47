"""A process that runs jobs on a store until it is killed: python -m tests.fhir_api.conformance.reindexing FOLDER"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fhir_api.api import Api, ApiOptions
from fhir_api.conformance.watcher import Watcher
from fhir_api.jobs.runner import JobRunner
from fhir_api.validation import Validator
from store.sqlite import SqliteStore

LEASE_S = 2.0


async def watched(store: SqliteStore, validator: Validator) -> Api:
    """An API that follows the definitions stored here, as every process has one."""
    watcher = Watcher(store)
    options = ApiOptions(cursor_key=b"k" * 64, lease_s=LEASE_S)
    api = Api(store, validator, options, watcher=watcher)
    watcher.listen(("SearchParameter",), api.search_parameters.changed)
    await watcher.start()
    return api


async def _run(folder: Path) -> None:
    api = await watched(SqliteStore.open(folder), Validator())
    await JobRunner(api).keep_running()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
