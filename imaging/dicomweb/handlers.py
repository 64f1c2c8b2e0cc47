"""One method for each kind of DICOMweb request."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from imaging.archive.ingest import Archive, SubjectOf
from imaging.archive.queries import (
    is_met,
    read_instance,
    read_study,
    series_of_study,
    stored_instances,
)
from imaging.archive.records import InstanceRecord
from imaging.dicomweb import frames as frame_data
from imaging.dicomweb import stow
from imaging.dicomweb.accept import Accepted, accepted
from imaging.dicomweb.bulkdata import bulk_value
from imaging.dicomweb.errors import NotAcceptable, NotFound
from imaging.dicomweb.files import Recoder, local_file
from imaging.dicomweb.metadata import instance_metadata
from imaging.dicomweb.multipart import closing, part_header
from imaging.dicomweb.qido import Level, Search, instance_url, parse_search, run_search
from imaging.dicomweb.rendered import Rendering, parse_rendering, render, thumbnail_rendering
from imaging.dicomweb.retrieve import retrieve
from imaging.formats import Limits
from imaging.isolation import DecoderProcesses
from store.interface import Store
from store.query import Condition

DICOM_JSON = "application/dicom+json"
_JSON_TYPES = (DICOM_JSON, "application/json")
_RENDERED_TYPES = ("image/jpeg", "image/png")


class Action(StrEnum):
    SEARCH = "search"
    READ = "read"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a caller reaches who was let in."""

    archive: Archive
    """Stores what the caller may store."""
    studies: tuple[Condition, ...] = ()
    """What a study's record has to meet to be there for this caller; (): every study is."""


Admit = Callable[[Mapping[str, str], Action], Awaitable[Admitted]]
"""Given a request's headers (lower-case names), says what the caller reaches; raises ``Refused``."""


@dataclass(frozen=True, slots=True)
class DicomWeb:
    """What the handlers need."""

    store: Store
    admit: Admit
    subject_of: SubjectOf
    """The FHIR Reference for the patient whom stored objects name (STOW-RS knows no FHIR Patient)."""
    base_url: str = ""
    """The public base of this application, without a trailing slash; '': what the client called us."""
    decoding: Limits = field(default_factory=lambda: Limits(max_decoded_bytes=1024**3))
    decoders: DecoderProcesses = field(default_factory=DecoderProcesses)
    """Where pixels are decoded; as many requests at a time as it has processes, the others wait."""


class Handlers:
    """Holds no state of its own."""

    def __init__(self, server: DicomWeb) -> None:
        self._server = server
        self._store = server.store
        self._decoders = server.decoders

    async def store(self, request: Request) -> Response:
        """STOW-RS."""
        admitted = await self._server.admit(request.headers, Action.STORE)
        media_type = _negotiated(_accept(request), _JSON_TYPES)
        parts = stow.request_parts(request.headers.get("content-type", ""), request.stream())
        outcome = await stow.store_request(
            admitted.archive, parts, self._server.subject_of, request.path_params.get("study")
        )
        body = orjson.dumps(stow.answer(outcome, self._base_url(request)))
        return Response(body, outcome.status, media_type=media_type)

    async def search_studies(self, request: Request) -> Response:
        return await self._search(request, Level.STUDY)

    async def search_series(self, request: Request) -> Response:
        return await self._search(request, Level.SERIES)

    async def search_instances(self, request: Request) -> Response:
        return await self._search(request, Level.INSTANCE)

    async def _search(self, request: Request, level: Level) -> Response:
        """QIDO-RS."""
        admitted = await self._server.admit(request.headers, Action.SEARCH)
        media_type = _negotiated(_accept(request), _JSON_TYPES)
        path = request.path_params
        parameters = request.query_params.multi_items()
        search = parse_search(level, parameters, path.get("study"), path.get("series"))
        base_url = self._base_url(request)
        results = await run_search(self._store, search, base_url, admitted.studies)
        headers = _warning(search, base_url, more=results.more)
        if not results.items:
            return Response(status_code=204, headers=headers)
        return Response(orjson.dumps(results.items), headers=headers, media_type=media_type)

    async def retrieve(self, request: Request) -> Response:
        """WADO-RS: whole instances."""
        admitted = await self._server.admit(request.headers, Action.READ)
        instances = await self._instances(request, admitted)
        return await retrieve(
            self._store,
            instances,
            _accept(request),
            Recoder(self._decoders, self._server.decoding),
            self._base_url(request),
        )

    async def metadata(self, request: Request) -> Response:
        """WADO-RS: data sets without bulk data, one after another."""
        admitted = await self._server.admit(request.headers, Action.READ)
        media_type = _negotiated(_accept(request), _JSON_TYPES)
        instances = await self._instances(request, admitted)
        study = await read_study(self._store, instances[0].study_uid)
        of_study = study.attributes if study else {}
        of_series = {
            series.uid: of_study | series.attributes
            for series in await series_of_study(self._store, instances[0].study_uid)
        }
        base_url = self._base_url(request)

        async def array() -> AsyncIterator[bytes]:
            before = b"["
            for instance in instances:
                above = of_series.get(instance.series_uid, of_study)
                url = instance_url(instance, base_url)
                async with local_file(self._store, instance) as path:
                    one = await asyncio.to_thread(instance_metadata, path, instance, above, url)
                yield before + orjson.dumps(one)
                before = b","
            yield b"]"

        return StreamingResponse(array(), media_type=media_type)

    async def bulkdata(self, request: Request) -> Response:
        """WADO-RS: the value that a BulkDataURI stands for."""
        admitted = await self._server.admit(request.headers, Action.READ)
        instance = await self._instance(request, admitted)
        async with local_file(self._store, instance) as path:
            values = await asyncio.to_thread(bulk_value, path, instance, request.path_params["tag"])
        return _parts_or_one(
            _accept(request), [(frame_data.OCTETS, frame_data.OCTETS, value) for value in values]
        )

    async def frames(self, request: Request) -> Response:
        """WADO-RS: single frames, as stored or uncompressed."""
        admitted = await self._server.admit(request.headers, Action.READ)
        instance = await self._instance(request, admitted)
        indices = frame_data.frame_numbers(request.path_params["frames"], instance.frames)
        accept = _accept(request)
        form = frame_data.frame_form(instance, accept)
        parts = []
        async with local_file(self._store, instance) as path:
            for index in indices:
                if form.as_stored:
                    data = await asyncio.to_thread(frame_data.compressed_frame, path, index)
                else:
                    data = await self._decoders.run(
                        frame_data.octet_frame, path, instance, index, self._server.decoding
                    )
                parts.append((form.media_type, form.content_type, data))
        return _parts_or_one(accept, parts)

    async def rendered(self, request: Request) -> Response:
        """WADO-RS: a frame as a picture."""
        admitted = await self._server.admit(request.headers, Action.READ)
        instance = await self._instance(request, admitted)
        media_type = _negotiated(_accept(request), _RENDERED_TYPES)
        rendering = parse_rendering(request.query_params, media_type)
        numbers = request.path_params.get("frames", "1")
        indices = frame_data.frame_numbers(numbers, instance.frames)
        if len(indices) != 1:
            raise NotAcceptable("one frame is rendered at a time")
        return await self._picture(instance, indices[0], rendering)

    async def thumbnail(self, request: Request) -> Response:
        """WADO-RS: a small picture of an instance, or of the middle one of a study or series."""
        admitted = await self._server.admit(request.headers, Action.READ)
        instances = [one for one in await self._instances(request, admitted) if one.frames]
        if not instances:
            raise NotFound("there is nothing to be shown")
        media_type = _negotiated(_accept(request), _RENDERED_TYPES)
        instance = instances[len(instances) // 2]
        numbers = request.path_params.get("frames", str(instance.frames // 2 + 1))
        index = frame_data.frame_numbers(numbers, instance.frames)[0]
        rendering = thumbnail_rendering(request.query_params, media_type)
        return await self._picture(instance, index, rendering)

    async def _picture(
        self, instance: InstanceRecord, index: int, rendering: Rendering
    ) -> Response:
        async with local_file(self._store, instance) as path:
            content = await self._decoders.run(
                render, path, index, rendering, self._server.decoding
            )
        return Response(content, media_type=rendering.media_type)

    async def _instance(self, request: Request, admitted: Admitted) -> InstanceRecord:
        path = request.path_params
        study, series, instance = path["study"], path["series"], path["instance"]
        return await read_instance(self._store, study, series, instance, admitted.studies)

    async def _instances(self, request: Request, admitted: Admitted) -> list[InstanceRecord]:
        """What the path names; raises NotFound where that is nothing that is there for this caller."""
        path = request.path_params
        if "instance" in path:
            return [await self._instance(request, admitted)]
        is_shown = await is_met(self._store, path["study"], admitted.studies)
        found = is_shown and await stored_instances(self._store, path["study"], path.get("series"))
        if not found:
            raise NotFound("no such study or series is stored")
        return found

    def _base_url(self, request: Request) -> str:
        return self._server.base_url or str(request.base_url).rstrip("/")


def _accept(request: Request) -> list[Accepted]:
    return accepted(request.headers.get("accept"), request.query_params.getlist("accept"))


def _negotiated(accept: Sequence[Accepted], offered: Sequence[str]) -> str:
    """The media type that the client likes best of those offered.

    Raises:
        NotAcceptable: none.
    """
    for one in accept:
        for name in offered:
            if one.covers(name) and not one.multipart:
                return name
    raise NotAcceptable(f"this is offered as {' or '.join(offered)}")


def _warning(search: Search, base_url: str, *, more: bool) -> dict[str, str]:
    """PS3.18 8.3.4.4 (fuzzy matching) and 10.6.3 (results left over)."""
    texts = []
    if search.fuzzy:
        texts.append(
            "The fuzzymatching parameter is not supported. Only literal matching has been performed."
        )
    if more:
        texts.append("There are additional results that can be requested.")
    return {"Warning": ", ".join(f'299 {base_url} "{text}"' for text in texts)} if texts else {}


def _parts_or_one(accept: Sequence[Accepted], parts: Sequence[tuple[str, str, bytes]]) -> Response:
    """(media type, content type, data) of each part, as multipart or, where one is asked for bare, alone."""
    media_type = parts[0][0]
    for one in accept:
        if one.covers(media_type):
            if len(parts) == 1 and not one.multipart and one.name != "*/*":
                return Response(parts[0][2], media_type=parts[0][1])
            break
    boundary = uuid.uuid4().hex
    content: list[Any] = []
    for _, content_type, data in parts:
        content += [part_header(boundary, {"Content-Type": content_type}), data, b"\r\n"]
    content.append(closing(boundary))
    return Response(
        b"".join(content), media_type=f'multipart/related; type="{media_type}"; boundary={boundary}'
    )
