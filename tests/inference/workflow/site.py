"""A whole server on loopback, and an EHR's side of the conversation."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from healthvision.app import build_app
from healthvision.settings import Settings
from inference.credential import BearerToken
from inference.models.registry import InstalledModel
from inference.worker import WorkerOptions, run_worker
from terminology.analyses import ANALYSIS_SYSTEM
from tests.deployment import OPERATOR_TOKEN, WORKER_TOKEN, free_port
from tests.inference.models.radiographs import drawn_chest

FINAL = frozenset({"completed", "failed", "rejected", "cancelled"})


@dataclass
class Site:
    """One server, as an EHR sees it."""

    url: str
    http: httpx.AsyncClient

    async def create(self, resource: dict[str, Any]) -> dict[str, Any]:
        answer = await self.http.post(f"/fhir/{resource['resourceType']}", json=resource)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def read(self, reference: str) -> dict[str, Any]:
        answer = await self.http.get(f"/fhir/{reference}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, resource: dict[str, Any]) -> httpx.Response:
        reference = f"{resource['resourceType']}/{resource['id']}"
        return await self.http.put(f"/fhir/{reference}", json=resource)

    async def found(self, query: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"/fhir/{query}")
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    async def patient(self, **members: Any) -> str:
        return f"Patient/{(await self.create({'resourceType': 'Patient'} | members))['id']}"

    async def upload(self, patient: str, *files: bytes) -> str:
        parts = [("files", (f"{n}.dcm", data)) for n, data in enumerate(files)]
        answer = await self.http.post("/api/v1/studies", files=parts, data={"patient": patient})
        assert answer.status_code in {200, 201}, answer.text
        body = answer.json()
        study = body["studies"][0]
        return str(study.get("reference") or study.get("study"))

    async def order(self, study: str | None, patient: str | None, **members: Any) -> dict[str, Any]:
        code = {"coding": [{"system": ANALYSIS_SYSTEM, "code": "chest-xray-pneumonia"}]}
        task: dict[str, Any] = {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "code": code,
        }
        if study:
            task["focus"] = {"reference": study}
        if patient:
            task["for"] = {"reference": patient}
        return await self.create(task | members)

    async def settled(self, id: str) -> dict[str, Any]:
        """The Task once it has its final state."""
        return await self.until(id, lambda task: task["status"] in FINAL)

    async def until(self, id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The Task as soon as something holds of it."""
        async with asyncio.timeout(60):
            while not holds(task := await self.read(f"Task/{id}")):  # noqa: ASYNC110 - an EHR polls
                await asyncio.sleep(0.02)
        return task


@asynccontextmanager
async def site(data_dir: Path) -> AsyncIterator[Site]:
    """The server that ``healthvision serve`` runs, in this process."""
    port = free_port()
    settings = Settings(
        port=port, data_dir=data_dir, token=OPERATOR_TOKEN, worker_token=WORKER_TOKEN
    )
    app = build_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, lifespan="off", log_config=None, http="httptools", ws="none")
    )
    async with app:
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            yield Site(url, http)
        server.should_exit = True
        await serving


def worker_options(site: Site, **changes: Any) -> WorkerOptions:
    defaults: dict[str, Any] = {"lease_s": 6, "threads": 1, "software": "HealthVision test"}
    return WorkerOptions(f"{site.url}/fhir", BearerToken(WORKER_TOKEN), **(defaults | changes))


@asynccontextmanager
async def worker(
    site: Site, model: InstalledModel, **changes: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker beside the block; told to stop at its end."""
    stop = asyncio.Event()
    work = asyncio.create_task(run_worker(worker_options(site, **changes), model, stop))
    try:
        yield work
    finally:
        stop.set()
        await asyncio.wait_for(work, 30)


def radiograph(**elements: Any) -> bytes:
    """A DICOM chest radiograph of a child, drawn; every one a study of its own."""
    pixels = drawn_chest(256, 240)
    data = Dataset()
    data.SOPClassUID = ComputedRadiographyImageStorage
    data.SOPInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.StudyInstanceUID = generate_uid()
    data.PatientID, data.PatientName = "P1", "Test^Child"
    data.StudyDate, data.PatientAge = "20260302", "004Y"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "CR", "CHEST", "PA"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = pixels.tobytes()
    for name, value in elements.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(drawn_chest(256, 240))).save(file, "PNG")
    return file.getvalue()
