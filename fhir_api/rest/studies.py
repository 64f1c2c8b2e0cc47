"""``POST /api/v1/studies``: the images of one patient, streamed into the archive."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fhir_api.rest.core import Core
from fhir_api.rest.schemas import StudiesUploaded
from imaging.archive.ingest import Archive

Uploads = Archive
REQUEST_BODY: dict[str, Any] = {}


async def upload(core: Core, request: Request, uploads: Uploads) -> StudiesUploaded:
    raise NotImplementedError
