"""The DICOMweb application under uvicorn on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from fhir_api.access import OURSELVES
from fhir_api.api import Api
from fhir_api.validation import Validator
from healthvision.uploads import archive_of, subject_named_in_files
from imaging.dicomweb.handlers import DicomWeb
from imaging.dicomweb.routes import dicomweb_app
from store.sqlite import SqliteStore
from tests.imaging.conftest import everyone

App = Callable[..., Any]


@contextmanager
def served(data: Path, around: Callable[[App], App] = lambda app: app) -> Iterator[str]:
    """Serves a fresh archive and answers with its base URL. ``around`` wraps the application (to break things)."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        store = SqliteStore.open(data)
        api = Api(store=store, validator=Validator())

        async def subject(patient):
            return await subject_named_in_files(api, patient)

        admit = everyone(archive_of(api, 1 << 33, OURSELVES))
        app = dicomweb_app(DicomWeb(store, admit, subject, url))
        config = uvicorn.Config(around(app), lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        ready.set()
        await asyncio.to_thread(stop.wait)
        server.should_exit = True
        await running
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield url
    finally:
        stop.set()
        thread.join(30)
