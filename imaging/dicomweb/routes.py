"""The DICOMweb server: an ASGI application to be mounted at ``/dicom-web``.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/PS3.18.html. Errors are OperationOutcomes, as on ``/fhir``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from imaging.dicomweb.errors import STATUS, Refused
from imaging.dicomweb.handlers import DicomWeb, Handlers
from imaging.errors import ImagingError
from store.errors import StoreError

log = structlog.get_logger(__name__)


def dicomweb_app(server: DicomWeb) -> Starlette:
    """The application: STOW-RS, QIDO-RS and WADO-RS."""
    study, series = "/studies/{study}", "/studies/{study}/series/{series}"
    instance = series + "/instances/{instance}"
    frames = instance + "/frames/{frames}"
    handlers = Handlers(server)
    gets: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/studies": handlers.search_studies,
        "/series": handlers.search_series,
        "/instances": handlers.search_instances,
        study + "/series": handlers.search_series,
        study + "/instances": handlers.search_instances,
        series + "/instances": handlers.search_instances,
        study: handlers.retrieve,
        series: handlers.retrieve,
        instance: handlers.retrieve,
        study + "/metadata": handlers.metadata,
        series + "/metadata": handlers.metadata,
        instance + "/metadata": handlers.metadata,
        instance + "/bulkdata/{tag}": handlers.bulkdata,
        frames: handlers.frames,
        instance + "/rendered": handlers.rendered,
        frames + "/rendered": handlers.rendered,
        study + "/thumbnail": handlers.thumbnail,
        series + "/thumbnail": handlers.thumbnail,
        instance + "/thumbnail": handlers.thumbnail,
        frames + "/thumbnail": handlers.thumbnail,
    }
    posts = ("/studies", study)
    return Starlette(
        routes=[
            *(Route(path, handlers.store, methods=["POST"]) for path in posts),
            *(Route(path, handler, methods=["GET"]) for path, handler in gets.items()),
        ],
        exception_handlers={
            ImagingError: _on_imaging_error,
            StoreError: _on_store_error,
            ClientDisconnect: _on_disconnect,
            HTTPException: _on_http_exception,
            Exception: _on_exception,
        },
    )


def _outcome(
    status: int, code: str, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    issue = {"severity": "error", "code": code, "details": {"text": text}}
    body = orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    return Response(body, status, headers, media_type="application/fhir+json")


async def _on_imaging_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ImagingError)
    status, code = STATUS.get(error.category, (500, "exception"))
    return _outcome(status, code, str(error), error.headers if isinstance(error, Refused) else None)


async def _on_store_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    status, code = STATUS.get(error.category, (503, "transient"))
    text = (
        "The store changed while the request ran: try again."
        if status == 409
        else "The store cannot do this now."
    )
    return _outcome(status, code, text, {"Retry-After": "1"})


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    """Nobody reads this answer; what had arrived is discarded already."""
    return _outcome(400, "incomplete", "The request ended before its body did.")


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = {404: "There is nothing under this path.", 405: "This method is not supported here."}
    return _outcome(
        error.status_code,
        "not-supported" if error.status_code == 405 else "not-found",
        text.get(error.status_code, "The request is not understood."),
        error.headers,
    )


async def _on_exception(_request: Request, error: Exception) -> Response:
    log.error("dicomweb.failed", error=type(error).__name__)
    return _outcome(500, "exception", "The server failed; nothing was stored by this request.")
