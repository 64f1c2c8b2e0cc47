"""Where the processor time of a create, an update, a read and a search goes, stage by stage."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import psutil
import uvloop

from benchmarks.filled_store import fhirload
from benchmarks.machine import table
from fhir_api.api import Api, ApiOptions
from fhir_api.asgi import Application, fhir_app
from fhir_api.interactions import write as writing
from fhir_api.search import searching
from fhir_api.validation import Validator
from healthvision.authentication import TokenAuthentication
from store.sqlite import SqliteStore, readers, writer
from store.sqlite.apply import Group
from store.sqlite.store import versions
from tests.deployment import OPERATOR_TOKEN, Deployment

CONNECTIONS, ROUNDS, REQUESTS, PATIENTS = 8, 5, 1500, 400
BASE = "http://127.0.0.1:1/fhir"

STAGES: tuple[tuple[str, object, str], ...] = (
    ("read the JSON", writing, "parse"),
    ("validate", Validator, "validate"),
    ("index entries", writing, "entries_of"),
    ("put in id and meta", writing, "stamp"),
    ("read a version (SQL)", versions, "read"),
    ("understand the search", searching, "read_criteria"),
    ("understand the search", searching, "read_presentation"),
    ("plan the search", readers.Readers, "planned"),
    ("run the search (SQL)", readers._Bounded, "fetch"),  # noqa: SLF001 - its time is asked for
    ("join the Bundle", searching, "searchset"),
    ("writer: check, make rows", Group, "apply"),
    ("writer: look up (SQL)", Group, "prefetch"),
    ("writer: write rows (SQL)", Group, "flush"),
    ("writer: begin, commit, sync", writer.Writer, "_transaction"),
    ("writer: merge what is pending", writer.Writer, "_merge"),
    ("writer: wait for and answer groups", writer.Writer, "_next_group"),
    ("writer: wait for and answer groups", writer.Writer, "_answer"),
)
"""What a stage is called, and the function that does it. Time in a stage inside another counts for the inner one."""
REST = "route, authenticate, decide, answer"
WIRE = "HTTP: uvicorn, uvloop, sockets"

Send = Callable[[str, str, bytes], Awaitable[str]]
"""Method, path and body of a request → the Location of its answer."""


@dataclass(slots=True)
class Clock:
    """Processor time by stage, each thread's own."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _inner: threading.local = field(default_factory=threading.local)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time without that of timed functions inside it goes to the stage."""

        def timing(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - whatever it answers
            outer, self._inner.s = getattr(self._inner, "s", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.thread_time() - began
                self.seconds[stage] += spent - self._inner.s
                self._inner.s = outer + spent

        return timing


def run(options: argparse.Namespace) -> None:
    """Prints one table: a row a stage, a column a kind of request."""
    if not options.fhirload.exists():
        print(f"skipped: there is no load program at {options.fhirload} (--fhirload)")
        return
    load = fhirload(options.fhirload)
    inside = uvloop.run(_inside(load))
    whole = uvloop.run(_over_the_wire(load))
    rows = []
    for stage in dict.fromkeys([WIRE, REST, *(name for name, _, _ in STAGES)]):
        cells = [
            whole[kind] - sum(stages.values()) if stage == WIRE else stages.get(stage, 0.0)
            for kind, stages in inside.items()
        ]
        rows.append((stage, *(f"{cell:.0f}" if cell >= 0.5 else "" for cell in cells)))
    rows.append(("**all**", *(f"**{whole[kind]:.0f}**" for kind in inside)))
    print(table(("microseconds of processor time", *inside), rows))
    print(
        f"\nMedians of {ROUNDS} times {REQUESTS} requests over {CONNECTIONS} connections, one API process. The stages were "
        "timed in this process, without HTTP; the sum is that of the server's process under the same requests."
    )


async def _inside(load: ModuleType) -> dict[str, dict[str, float]]:
    """Kind of request → stage → microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        api = Api(
            store=SqliteStore.open(Path(folder) / "data"),
            validator=Validator(),
            options=ApiOptions(base_url=BASE, cursor_key=b"k" * 32),
        )
        app = fhir_app(api, TokenAuthentication(OPERATOR_TOKEN, "worker"))
        kinds = await _kinds(load, _asgi_sender(app))
        result = {}
        for kind, request in kinds.items():
            with _clocked() as clock:
                rounds = []
                for _ in range(ROUNDS):
                    clock.seconds.clear()
                    began = time.process_time()
                    await _many(request)
                    rest = time.process_time() - began - sum(clock.seconds.values())
                    rounds.append({**clock.seconds, REST: rest})
            result[kind] = {
                stage: statistics.median(one.get(stage, 0.0) for one in rounds) * 1e6 / REQUESTS
                for stage in rounds[0]
            }
        await api.store.close()
    return result


async def _over_the_wire(load: ModuleType) -> dict[str, float]:
    """Kind of request → microseconds of the server's process."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(Path(folder) / "data", arguments=("--no-worker",))
        deployment.start()
        try:
            (process,) = deployment.processes("api")
            kinds = await _kinds(load, await _http_sender(load, deployment))
            result = {}
            for kind, request in kinds.items():
                rounds = []
                for _ in range(ROUNDS):
                    before = _cpu_s(process)
                    await _many(request)
                    rounds.append((_cpu_s(process) - before) * 1e6 / REQUESTS)
                result[kind] = statistics.median(rounds)
        finally:
            deployment.kill()
    return result


async def _kinds(load: ModuleType, send: Send) -> dict[str, Callable[[], Awaitable[object]]]:
    """Kind of request → what sends one, on a store with some patients."""
    maker = load.Maker("stages")
    ids: list[str] = []

    async def create(kind: str) -> None:
        _, body = maker.make(kind, "Patient/1", "ImagingStudy/1")
        location = await send("POST", f"/{kind}", body.encode())
        if kind == "Patient":
            ids.append(location.partition("/Patient/")[2].partition("/")[0])

    for _ in range(PATIENTS):
        await create("Patient")
    patients = itertools.cycle(enumerate(tuple(ids), 1))
    names = itertools.count()

    async def update() -> None:
        number, id = next(patients)
        _, body = maker.make("Patient", name=f"Name{next(names):09d}", number=number)
        await send("PUT", f"/Patient/{id}", f'{{"id":"{id}",{body[1:]}'.encode())

    async def read() -> None:
        await send("GET", f"/Patient/{next(patients)[1]}", b"")

    async def search() -> None:
        query = f"identifier=urn:fhirload:stages%7Cp{next(patients)[0]:012d}"
        await send("GET", f"/Patient?{query}", b"")

    return {
        "create Patient": lambda: create("Patient"),
        "create Observation": lambda: create("Observation"),
        "update Patient": update,
        "read Patient": read,
        "search Patient?identifier": search,
    }


async def _many(request: Callable[[], Awaitable[object]]) -> None:
    left = iter(range(REQUESTS))

    async def connection() -> None:
        for _ in left:
            await request()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


@contextmanager
def _clocked() -> Iterator[Clock]:
    clock = Clock()
    with ExitStack() as patches:
        for stage, owner, name in STAGES:
            timing = clock.timed(stage, getattr(owner, name))
            patches.enter_context(patch.object(owner, name, timing))
        yield clock


def _asgi_sender(app: Application) -> Send:
    """Requests as an ASGI server hands them over."""

    async def send(method: str, path: str, body: bytes) -> str:
        path, _, query = path.partition("?")
        rows = {"host": "127.0.0.1:1", **HEADERS}
        scope = {
            "type": "http",
            "method": method,
            "path": f"/fhir{path}",
            "raw_path": f"/fhir{path}".encode(),
            "root_path": "/fhir",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in rows.items()],
        }
        answered: dict[bytes, bytes] = {}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def answer(message: Any) -> None:  # noqa: ANN401 - an ASGI message
            if message["type"] == "http.response.start":
                assert message["status"] < 300, message
                answered.update(message["headers"])

        await app(scope, receive, answer)
        return answered.get(b"location", b"").decode()

    return send


async def _http_sender(load: ModuleType, deployment: Deployment) -> Send:
    """Requests over keep-alive connections, by the load program's client: a slower one would not keep the server busy."""
    target = {"host": "127.0.0.1", "port": deployment.port, "ssl": None, "gzip": False}
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(load.Conn(target))

    async def send(method: str, path: str, body: bytes) -> str:
        rows = {"host": f"127.0.0.1:{deployment.port}", **HEADERS, "content-length": len(body)}
        head = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
        connection = await free.get()
        status, answered, _ = await connection.request(
            f"{method} /fhir{path} HTTP/1.1\r\n{head}\r\n".encode() + body
        )
        free.put_nowait(connection)
        assert status < 300, status
        return str(load.header(answered, "location"))

    return send


HEADERS = {
    "accept": "application/fhir+json",
    "authorization": f"Bearer {OPERATOR_TOKEN}",
    "content-type": "application/fhir+json",
}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
