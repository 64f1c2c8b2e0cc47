"""Where a Task's time goes: the steps in the worker, the requests that it makes, and the processes' share of the whole."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from benchmarks.machine import percentile, table
from benchmarks.tasks import Site
from imaging.formats import Limits, read
from inference.client import FhirClient
from inference.credential import BearerToken
from inference.models.chest_xray_pneumonia import view
from inference.models.chest_xray_pneumonia.explain import beside_scale, layers, map_picture
from inference.models.registry import installed_model
from inference.results import images
from inference.results.bundle import resources, transaction
from inference.results.case import Case, Result
from inference.results.html import report_html
from inference.results.pdf import report_pdf
from inference.workflow.fetch import Archives
from inference.workflow.finish import complete
from inference.workflow.introduce import introduce
from inference.workflow.queue import OperationsQueue, Worker
from inference.workflow.reading import Reader, Reading
from inference.workflow.source import Study, source_of
from inference.workflow.turns import Precedence
from tests.deployment import WORKER_TOKEN, Deployment
from tests.radiographs import WHOLE_HEIGHT_PIXELS, small_radiographs

TIMES, TASKS, WARM_UP = 25, 40, 3
SELDOM_S = 0.05
"""Between two questions whether a Task is done, which are part of the API's time."""
PARTS = {"API": "api", "worker": "worker", "decoding": "--multiprocessing-fork"}
"""Processes by what stands among their arguments."""

T = TypeVar("T")


def run(_options: argparse.Namespace) -> None:
    """Prints three tables, for an uncompressed radiograph of 1955 x 1841 pixels."""
    (dicom,) = small_radiographs(1, WHOLE_HEIGHT_PIXELS)
    with Reader(installed_model("chest-xray-pneumonia")) as reader:
        result = _steps(reader, dicom)
        with _deployment("--no-worker") as deployment, deployment.client() as client:
            site = Site(client, deployment)
            asyncio.run(_requests(site, deployment, reader, site.upload(dicom), result))
    with _deployment() as deployment, deployment.client() as client:
        _whole(Site(client, deployment), deployment, dicom)


@dataclass(slots=True)
class Steps:
    """Medians of the steps taken so far."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def take(self, name: str, work: Callable[[], T]) -> T:
        """Does it again and again, and answers what it made last."""
        cpu_s, wall_s = [], []
        for _ in range(TIMES):
            cpu, wall = time.process_time(), time.perf_counter()
            made = work()
            cpu_s.append(time.process_time() - cpu)
            wall_s.append(time.perf_counter() - wall)
        self.rows.append((name, _ms(percentile(cpu_s, 0.5)), _ms(percentile(wall_s, 0.5))))
        return made


def _steps(reader: Reader, dicom: bytes) -> Result:
    steps, scale = Steps(), reader.manifest.explanation.full_scale_logit
    image = steps.take("decode *", lambda: read(dicom, limits=Limits()))
    viewed = steps.take(
        "display, screen, standardise, shrink *", lambda: view(image, reader.preprocessing)
    )

    def predicted() -> Reading:
        submitted = reader.submit(viewed, viewed.facts, stat=True)
        return reader.conclude(submitted, submitted.answer.result())

    reading = steps.take("predict, a batch of one", predicted)
    drawn = steps.take(
        "explain: colour", lambda: layers(reading.seen.plain, reading.prediction, scale)
    )
    steps.take("explain: overlay as PNG", lambda: beside_scale((drawn.coloured,), scale))
    steps.take(
        "explain: map as PNG", lambda: map_picture(drawn, (image.rows, image.columns), scale)
    )
    now = datetime.now(UTC)
    result = Result(
        case=Case("task", "Patient/benchmark", "ImagingStudy/x", "1.2", "1.3", "2026-01-01"),
        model=reader.model,
        findings=reading.findings,
        explanation=reader.explain(reading),
        started=now,
        finished=now,
        cautions=reading.cautions,
    )
    explanation = result.explanation
    shown = steps.take(
        "report: JPEGs",
        lambda: (images.radiograph_jpeg(explanation), images.overlay_jpeg(explanation)),
    )
    steps.take("report: HTML", lambda: report_html(result, *shown))
    steps.take("report: PDF", lambda: report_pdf(result, *shown))
    outputs = steps.take("report: all of it, with the resources", lambda: resources(result))
    steps.take(
        "Bundle as JSON",
        lambda: transaction("http://x/fhir", outputs, "task", msgspec.Raw(b"{}"), "3"),
    )
    print(f"Steps in the worker, medians of {TIMES}; those with * run in the decoding process\n")
    print(table(("step", "CPU ms", "wall ms"), steps.rows))
    return result


async def _requests(
    site: Site, deployment: Deployment, reader: Reader, study: str, result: Result
) -> None:
    servers = deployment.processes("api")
    rows: list[tuple[str, str, str, str]] = []

    @contextmanager
    def counted(name: str) -> Iterator[None]:
        server, own, wall = _cpu_s(servers), time.process_time(), time.perf_counter()
        yield
        spent = (
            _cpu_s(servers) - server,
            time.process_time() - own,
            time.perf_counter() - wall,
        )
        rows.append((name, *(_ms(seconds / TIMES) for seconds in spent)))

    for _ in range(TIMES):
        site.order(study, "routine")
    model = reader.model
    with tempfile.TemporaryDirectory() as folder:
        async with FhirClient(deployment.fhir, BearerToken(WORKER_TOKEN)) as client:
            await introduce(client, model, "healthvision", "Benchmark")
            queue = OperationsQueue(
                client, Worker("benchmark", (model.analysis,), (model.device,), 600)
            )
            with counted("claim, one Task"):
                holds = [hold for _ in range(TIMES) for hold in await queue.claim(1, 0)]
            with counted("first progress"):
                for hold in holds:
                    hold.heard(await queue.progress(hold, "fetch", 10))
            with counted("read ImagingStudy"):
                for hold in holds:
                    source = await source_of(client, hold.document)
            assert isinstance(source, Study)
            archives = Archives(client, Path(folder), Precedence())
            file = (await archives.of(source)).file(source, source.listed[0])
            with counted("fetch the instance, 7 MB"):
                for _ in holds:
                    path = await file.load()
                    assert isinstance(path, Path)
                    path.unlink()
            await archives.close()
            results = [
                resources(replace(result, case=replace(result.case, task=hold.id)))
                for hold in holds
            ]
            with counted("complete: the transaction"):
                for hold, outputs in zip(holds, results, strict=True):
                    await complete(client, queue, hold, outputs)
    print(f"\nRequests of a Task, means of {TIMES}\n")
    print(table(("request", "API CPU ms", "worker CPU ms", "wall ms"), rows))


def _whole(site: Site, deployment: Deployment, dicom: bytes) -> None:
    study = site.upload(dicom)
    for _ in range(WARM_UP):
        site.one(study, "routine")
    processes = {name: deployment.processes(part) for name, part in PARTS.items()}
    before_s = {name: _cpu_s(family) for name, family in processes.items()}
    for _ in range(TASKS):
        site.one(study, "routine", poll_s=SELDOM_S)
    rows = [
        (name, _ms((_cpu_s(family) - before_s[name]) / TASKS)) for name, family in processes.items()
    ]
    print(
        f"\nA Task's processor time in the whole deployment, means of {TASKS}, one after another\n"
    )
    print(table(("process", "CPU ms"), rows))


@contextmanager
def _deployment(*arguments: str) -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(Path(folder) / "data", arguments=arguments)
        deployment.start()
        try:
            yield deployment
        finally:
            deployment.kill()


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
