"""One API process: every room's routes in one ASGI application, over one store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from fhir_api.api import Api, ApiOptions
from fhir_api.asgi import Application, Receive, Scope, Send, fhir_app
from fhir_api.conformance.conformance import Conformance
from fhir_api.conformance.library import TYPES as DEFINITION_TYPES
from fhir_api.conformance.watcher import Watcher
from fhir_api.jobs.runner import JobRunner
from fhir_api.operations.reindex import begin_where_outdated
from fhir_api.rates import Rate
from fhir_api.rest.app import Face, rest_app
from fhir_api.smart.app import RECORDS, auth_app
from fhir_api.smart.bearers import Bearers
from fhir_api.smart.issuer import Issuer
from fhir_api.smart.records import SWEPT_AT_ONCE, remove_ended
from fhir_api.tasks.sweeper import keep_sweeping
from fhir_api.validation import Validator
from healthvision.audit import journal_of, with_audit
from healthvision.authentication import ReportLinks, TokenAuthentication
from healthvision.cors import ANY, with_cors
from healthvision.guides import guides_of
from healthvision.headers import with_security_headers
from healthvision.keys import deployment_key, derived
from healthvision.report_page import report_route
from healthvision.settings import References, Settings, UnknownProfiles
from healthvision.smart import DISCOVERY_PATHS, discovery_app, facade_of
from healthvision.throttle import ADDRESS, Throttle
from healthvision.trust import issuer_of, local_issuer, trusted
from healthvision.uploads import admission, archive_of, subject_named_in_files
from imaging.dicomweb.handlers import DicomWeb
from imaging.dicomweb.routes import dicomweb_app
from imaging.isolation import DecoderProcesses
from store.errors import StoreError
from store.sqlite import SqliteStore

log = structlog.get_logger(__name__)

BLOB_SWEEP_S = 3600.0
RECORD_SWEEP_S = 600.0
RECORD_GRACE_US = 3600 * 1_000_000
"""A record stays so long after its end: no token that is taken though it has expired (oidc_clock_skew_s) may outlive its
revocation, or what its launch was granted."""
BLOB_GRACE_US = 24 * 3600 * 1_000_000
"""A blob that nothing names is left alone this long: its commit may still be on its way."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Dispatches by the path, or by its first segment."""

    rooms: Mapping[str, Application]
    others: Application
    paths: Mapping[str, Application]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = scope["path"].partition("/")[2].partition("/")[0]
        room = self.paths.get(scope["path"]) or self.rooms.get(first)
        if room is None:
            await self.others(scope, receive, send)
            return
        await room({**scope, "root_path": f"/{first}"}, receive, send)


class App:
    """One process's application; ``async with`` opens and ends what runs beside it."""

    def __init__(
        self,
        api: Api,
        doors: Doors,
        decoders: DecoderProcesses,
        issuer: Issuer | None,
        *,
        https: bool,
    ) -> None:
        """``https``: clients come by https alone, whoever speaks it."""
        self.doors = doors
        self._api = api
        self._guarded = with_security_headers(doors, https=https)
        self._issuer = issuer
        self._decoders = decoders
        self._sweeping: tuple[asyncio.Task[None], ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        ADDRESS.set(client[0] if client else "")
        await self._guarded(scope, receive, send)

    async def __aenter__(self) -> Self:
        watcher = self._api.watcher
        if watcher is not None:
            await watcher.start()
        await begin_where_outdated(self._api)
        self._sweeping = (
            asyncio.create_task(keep_sweeping(self._api)),
            asyncio.create_task(JobRunner(self._api).keep_running()),
            asyncio.create_task(_keep_sweeping_blobs(self._api)),
            asyncio.create_task(_keep_sweeping_records(self._api)),
            *((asyncio.create_task(watcher.keep_watching()),) if watcher else ()),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sweeping in self._sweeping:
            sweeping.cancel()
        self._decoders.close()
        if self._issuer is not None:
            await self._issuer.close()
        await self._api.store.close()
        if self._api.audit is not None:
            await self._api.audit.store.close()
        if self._api.journal is not None:
            self._api.journal.close()


def build_app(settings: Settings) -> App:
    """Opens the store and puts the rooms together.

    Raises:
        StoreUnavailable: the data folder cannot be used.
        PackageInvalid: an implementation guide cannot be used.
    """
    guides = guides_of(settings)
    key = deployment_key(settings.data_dir)
    fhir_url = settings.fhir_url
    store = SqliteStore.open(settings.data_dir, search_limit_s=settings.search_limit_s)
    watcher = Watcher(store)
    journal = journal_of(settings)
    api = Api(
        store=store,
        validator=Validator(
            unknown_profiles_are_errors=settings.unknown_profiles is UnknownProfiles.ERROR
        ),
        options=ApiOptions(
            base_url=fhir_url,
            auth_url=f"{settings.public_url}/auth" if settings.oidc_issuer and fhir_url else "",
            max_body_bytes=settings.body_limit_bytes,
            max_binary_bytes=settings.upload_limit_bytes,
            max_url_bytes=settings.url_limit_bytes,
            max_parameters=settings.parameter_limit,
            max_depth=settings.nesting_limit,
            max_bundle_entries=settings.bundle_entry_limit,
            require_if_match=settings.require_if_match,
            delete_multiple=settings.delete_multiple,
            job_keep_s=settings.job_keep_s,
            page_size=settings.page_size,
            page_limit=settings.page_size_limit,
            search_limit_s=settings.search_limit_s,
            chain_limit=settings.chain_limit,
            include_limit=settings.include_limit,
            cursor_key=derived(key, "page cursors"),
            references_must_exist=settings.references is References.EXIST,
            attempt_limit=settings.attempt_limit,
            lease_s=settings.lease_s,
        ),
        watcher=watcher,
        journal=journal,
    )
    api = with_audit(api, settings)
    watcher.listen(("SearchParameter",), api.search_parameters.changed)
    watcher.listen(DEFINITION_TYPES, Conformance(api.validator, guides).changed)
    issuer = issuer_of(settings)
    trusts = trusted(settings, local_issuer(settings, key), issuer)
    bearers = Bearers(store, trusts, base_url=fhir_url, skew_s=settings.oidc_clock_skew_s)
    throttle = Throttle(
        clients=Rate(settings.client_rate),
        users=Rate(settings.user_rate),
        failures=Rate(settings.failure_rate),
    )
    authenticate = TokenAuthentication(settings.token, settings.worker_token, bearers, throttle)
    links = ReportLinks(derived(key, "report links"))
    archive_for = partial(archive_of, api, settings.upload_limit_bytes)

    def fhir_url_for(request: Request) -> str:
        return fhir_url or f"{str(request.base_url).rstrip('/')}/fhir"

    rest = rest_app(Face(api, authenticate, archive_for, fhir_url_for))

    async def ready(_request: Request) -> Response:
        return await _ready(api)

    pages = Router(
        [
            Route("/", _start_page, methods=["GET"]),
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            report_route(api, authenticate, links, fhir_url_for),
        ],
        default=rest,
    )
    dicom_web = DicomWeb(
        api.store,
        admission(api, authenticate, archive_for),
        partial(subject_named_in_files, api),
        base_url=f"{settings.public_url}/dicom-web" if fhir_url else "",
    )
    origins = settings.allowed_origins
    fhir = fhir_app(api, authenticate)
    rooms: dict[str, Application] = {
        "fhir": with_cors(fhir, origins),
        "dicom-web": with_cors(dicomweb_app(dicom_web), origins),
    }
    facade = facade_of(settings, api, issuer, trusts, authenticate)
    if facade is not None:
        rooms["auth"] = with_cors(auth_app(facade), origins)
    # What an app reads before anybody knows it is open to every origin.
    paths = {
        "/fhir/metadata": with_cors(fhir, frozenset({ANY})),
        **dict.fromkeys(DISCOVERY_PATHS, with_cors(discovery_app(facade), frozenset({ANY}))),
    }
    doors = Doors(rooms, with_cors(pages, origins), paths)
    https = settings.public_url.startswith("https://")
    return App(api, doors, dicom_web.decoders, issuer, https=https)


async def _keep_sweeping_blobs(api: Api) -> None:
    """Removes what uploads have left that ended between their bytes and their commit. Cancelled at the end."""
    while True:
        await asyncio.sleep(BLOB_SWEEP_S)
        try:
            removed = await api.store.blobs.sweep(api.clock() - BLOB_GRACE_US)
            log.info("blobs_swept", removed=removed)
        except StoreError as error:
            log.warning("blob_sweep_failed", error=type(error).__name__)


async def _keep_sweeping_records(api: Api) -> None:
    """Removes records that have ended. Cancelled at the end."""
    while True:
        await asyncio.sleep(RECORD_SWEEP_S)
        try:
            for name in RECORDS:
                removed = SWEPT_AT_ONCE
                while removed == SWEPT_AT_ONCE:
                    ended_us = api.clock() - RECORD_GRACE_US
                    removed = await remove_ended(api.store, name, ended_us)
        except StoreError as error:
            log.warning("record_sweep_failed", error=type(error).__name__)


async def _start_page(_request: Request) -> Response:
    return RedirectResponse("/docs")


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _ready(api: Api) -> Response:
    """Whether this process can serve: the store answers."""
    try:
        await api.store.read("Task", "-")
    except StoreError:
        return JSONResponse({"status": "the store does not answer"}, 503)
    return JSONResponse({"status": "ready"})
