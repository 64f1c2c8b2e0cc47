"""``/api/v1`` as a FastAPI application, with its documentation at ``/docs`` (no file comes from elsewhere)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from fhir_api.access import Authenticate, Caller
from fhir_api.api import Api
from fhir_api.errors import FhirError
from fhir_api.rest import analyses, models, problems, studies
from fhir_api.rest.core import Core
from fhir_api.rest.problems import Problem, ProblemDetails
from fhir_api.rest.schemas import (
    Analysis,
    AnalysisOrder,
    Batch,
    BatchOrder,
    Models,
    StudiesUploaded,
)
from imaging.archive.ingest import Archive

FhirId = Annotated[str, Path(pattern=r"^[A-Za-z0-9\-\.]{1,64}$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="A repeated order with the same key makes no second analysis",
    ),
]

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}},
    }
    for status, description in {
        400: "The request cannot be read",
        401: "No or a wrong token",
        403: "Not yours to do",
        404: "Not there",
        409: "Conflicts with what is stored",
        413: "Too large",
        415: "Not a media type that is taken here",
        422: "Readable, but wrong",
        503: "The store cannot write now; try again",
    }.items()
}


async def _core(request: Request) -> Core:
    """The FHIR core as this request's caller sees it."""
    face: Face = request.app.state.face
    try:
        caller = await face.authenticate(dict(request.headers))
    except FhirError as error:
        raise Problem(error.status, error.text, headers=dict(error.headers)) from None
    return Core(face.api, caller, face.base_url(request))


AsCaller = Annotated[Core, Depends(_core)]
routes = APIRouter(
    prefix="/api/v1", responses=REFUSALS, dependencies=[Depends(HTTPBearer(auto_error=False))]
)


@dataclass(frozen=True, slots=True)
class Face:
    """What the routes need of the rest of the server. ``base_url``: of ``/fhir``, as this client reached it."""

    api: Api
    authenticate: Authenticate
    archive_for: Callable[[Caller], Archive]
    """The image archive as a caller stores in it."""
    base_url: Callable[[Request], str]


def rest_app(face: Face) -> FastAPI:
    """The application: ``/api/v1``, ``/openapi.json`` and ``/docs``."""
    app = FastAPIOffline(
        title="HealthVision",
        version=version("healthvision"),
        summary="Upload a study, have it analysed, read the report. The same things are on /fhir.",
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.face = face
    app.add_exception_handler(Problem, problems.on_problem)
    app.add_exception_handler(HTTPException, problems.on_http_exception)
    app.add_exception_handler(RequestValidationError, problems.on_invalid_request)
    app.include_router(routes)
    return app


@routes.post(
    "/studies",
    status_code=201,
    tags=["studies"],
    openapi_extra=studies.REQUEST_BODY,
    summary="Upload the images of a study",
)
async def upload_study(request: Request, core: AsCaller) -> StudiesUploaded:
    """DICOM, NIfTI, JPEG, PNG or TIFF files of one patient; makes or completes the ImagingStudy.

    All files are stored or none is. Files that are there already do no harm.
    """
    face: Face = request.app.state.face
    return await studies.upload(core, request, face.archive_for(core.caller))


@routes.post("/analyses", status_code=201, tags=["analyses"], summary="Order an analysis")
async def order_analysis(
    order: AnalysisOrder, core: AsCaller, response: Response, idempotency_key: IdempotencyKey = None
) -> Analysis:
    """Posts the Task that a worker will take; answers at once."""
    analysis, created = await analyses.order_analysis(core, order, idempotency_key)
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"{core.site_url}/api/v1/analyses/{analysis.id}"
    return analysis


@routes.get("/analyses/{id}", tags=["analyses"], summary="Where an analysis stands, and its report")
async def read_analysis(id: FhirId, core: AsCaller) -> Analysis:
    """Status, stage and percent while it runs; findings with their probabilities once it is done."""
    return await analyses.read_analysis(core, id)


@routes.post("/batches", status_code=201, tags=["batches"], summary="Order many analyses at once")
async def order_batch(order: BatchOrder, core: AsCaller, response: Response) -> Batch:
    """All are accepted or none is."""
    batch = await analyses.order_batch(core, order)
    response.headers["Location"] = f"{core.site_url}/api/v1/batches/{batch.id}"
    return batch


@routes.get("/batches/{id}", tags=["batches"], summary="The common progress of a batch")
async def read_batch(id: FhirId, core: AsCaller) -> Batch:
    """How many of the batch's analyses are in which state."""
    return await analyses.read_batch(core, id)


@routes.get("/models", tags=["models"], summary="The models that workers have announced")
async def list_models(core: AsCaller) -> Models:
    """Each with its version, the hash of its weights and its model card."""
    return await models.list_models(core)
