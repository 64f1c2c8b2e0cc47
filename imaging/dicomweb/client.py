"""A DICOMweb client for workers: fetches instances to files, searches, stores. Works with any such server.

Idempotent requests are tried again a bounded number of times. Errors and logs carry no URL and no text of an answer: both
can hold something about a patient.
"""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import orjson

from imaging.dicomweb.errors import TRY_AGAIN, Answered, BadRequest, Unexpected, Unreachable
from imaging.dicomweb.multipart import MediaType, body_parts, closing, part_header

_UID = re.compile(r"[0-9.]{1,64}")
_WRITE_BYTES = 1024 * 1024
_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_ANYTHING = f"{_AS_STORED}, */*; q=0.5"
"""As stored, or, of files that are not DICOM, in their own media type."""
_BARE = f"application/dicom; transfer-syntax=*, {_ANYTHING}"
"""One instance, best without the wrapping of multipart: there is nothing to look for in its bytes."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often an idempotent request is tried, with full jitter below ``first_s``, doubled each time."""

    attempts: int = 4
    first_s: float = 0.2
    most_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """One instance on disk, as it is stored."""

    path: Path
    content_type: str
    size_bytes: int


class DicomWebClient:
    """Wraps an ``httpx.AsyncClient`` (which carries authentication, timeouts and TLS) and a base URL."""

    def __init__(
        self, http: httpx.AsyncClient, base_url: str, retries: Retries | None = None
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._retries = retries or Retries()

    async def fetch_study(self, directory: Path, study: str) -> list[Fetched]:
        """Fetches all instances of a study, in one stream.

        Raises:
            ClientError: see imaging/dicomweb/errors.py. What was written is removed.
        """
        return await self._fetch(directory, _ANYTHING, "studies", study)

    async def fetch_series(self, directory: Path, study: str, series: str) -> list[Fetched]:
        """As ``fetch_study``, of one series."""
        return await self._fetch(directory, _ANYTHING, "studies", study, "series", series)

    async def fetch_instance(
        self, directory: Path, study: str, series: str, instance: str
    ) -> Fetched:
        """As ``fetch_study``, of one instance."""
        path = ("studies", study, "series", series, "instances", instance)
        fetched = await self._fetch(directory, _BARE, *path)
        if len(fetched) != 1:
            _remove(fetched)
            raise Unexpected(f"{len(fetched)} instances came for one")
        return fetched[0]

    async def search(
        self, level: str, parameters: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """QIDO-RS below ``level``: ``studies``, ``studies/<uid>/series``, ``instances`` …

        Raises:
            ClientError
        """
        headers = {"accept": "application/dicom+json"}
        url = f"{self._base_url}/{level}"
        async for attempt in self._attempts():
            async with attempt:
                answer = await self._http.get(url, params=parameters, headers=headers)
                if answer.status_code == 204:
                    return []
                _check(answer)
                return _json_list(answer.content)
        raise Unreachable("the DICOMweb server cannot be reached")

    async def store(self, files: Sequence[Path], study: str | None = None) -> dict[str, Any]:
        """STOW-RS of DICOM files; answers with the Store Instances Response. A repeat does no harm.

        Raises:
            Answered: nothing was stored (409), or the request is refused.
            ClientError
        """
        boundary = uuid.uuid4().hex
        headers = {
            "content-type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "accept": "application/dicom+json",
        }
        url = f"{self._base_url}/studies" + (f"/{_uid(study)}" if study else "")
        async for attempt in self._attempts():
            async with attempt:
                body = _multipart_of(files, boundary)
                answer = await self._http.post(url, content=body, headers=headers)
                _check(answer)
                value = _json(answer.content)
                if not isinstance(value, dict):
                    raise Unexpected("the answer to a STOW-RS request is no JSON object")
                return value
        raise Unreachable("the DICOMweb server cannot be reached")

    async def _fetch(self, directory: Path, accept: str, *path: str) -> list[Fetched]:
        segments = [part if part.isalpha() else _uid(part) for part in path]
        url = "/".join([self._base_url, *segments])
        async for attempt in self._attempts():
            async with attempt:
                fetched: list[Fetched] = []
                try:
                    await self._fetch_once(url, accept, directory, fetched)
                except Answered as refusal:
                    # Some servers refuse what they do not know in Accept instead of passing over it.
                    if refusal.status in {400, 406}:
                        await self._fetch_once(url, _AS_STORED, directory, fetched)
                        return fetched
                    raise
                except BaseException:
                    _remove(fetched)
                    raise
                return fetched
        raise Unreachable("the DICOMweb server cannot be reached")

    async def _fetch_once(
        self, url: str, accept: str, directory: Path, fetched: list[Fetched]
    ) -> None:
        async with self._http.stream("GET", url, headers={"accept": accept}) as answer:
            _check(answer)
            media = MediaType.parse(answer.headers.get("content-type", ""))
            if media.name.startswith("text/") or media.name.endswith("json"):
                raise Unexpected("an instance was asked for and a page or a message came")
            if media.name != "multipart/related":
                fetched.append(await _to_file(directory, media.name, answer.aiter_bytes()))
                return
            boundary = media.parameters.get("boundary")
            if not boundary:
                raise Unexpected("a multipart answer has no boundary")
            body = answer.aiter_bytes()
            try:
                async for part in body_parts(body, boundary):
                    name = part.content_type.name
                    fetched.append(await _to_file(directory, name, part.chunks))
                async for _ in body:  # read to its end, so that the connection can be used again
                    pass
            except BadRequest as exc:
                raise httpx.RemoteProtocolError("the multipart answer is broken") from exc

    async def _attempts(self) -> AsyncIterator[Any]:
        """One context manager a try; what may be tried again leaves it silently while tries are left."""
        for number in range(self._retries.attempts):
            last = number == self._retries.attempts - 1
            yield _attempt(last=last)
            bound = min(self._retries.most_s, self._retries.first_s * 2**number)
            await asyncio.sleep(random.uniform(0, bound))  # noqa: S311  jitter is no secret


@asynccontextmanager
async def _attempt(*, last: bool) -> AsyncIterator[None]:
    try:
        yield
    except httpx.TransportError as exc:
        if last:
            raise Unreachable(
                f"no whole answer from the DICOMweb server ({type(exc).__name__})"
            ) from exc
    except Answered as refusal:
        if last or refusal.status not in TRY_AGAIN:
            raise


def _check(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise Answered(answer.status_code)


def _uid(value: str) -> str:
    if not _UID.fullmatch(value):
        raise Unexpected("what should be a UID is none")
    return value


async def _to_file(directory: Path, content_type: str, chunks: AsyncIterator[bytes]) -> Fetched:
    path = directory / f"instance-{uuid.uuid4().hex}"
    with await asyncio.to_thread(path.open, "xb") as target:
        try:
            size = await _write_all(target, chunks)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return Fetched(path, content_type, size)


async def _write_all(target: BinaryIO, chunks: AsyncIterator[bytes]) -> int:
    size, gathered, waiting = 0, 0, list[bytes]()
    async for chunk in chunks:
        waiting.append(chunk)
        gathered += len(chunk)
        if gathered >= _WRITE_BYTES:
            await asyncio.to_thread(target.writelines, waiting)
            size, gathered, waiting = size + gathered, 0, []
    await asyncio.to_thread(target.writelines, waiting)
    return size + gathered


async def _multipart_of(files: Sequence[Path], boundary: str) -> AsyncIterator[bytes]:
    for path in files:
        yield part_header(boundary, {"Content-Type": "application/dicom"})
        with await asyncio.to_thread(path.open, "rb") as source:
            while chunk := await asyncio.to_thread(source.read, _WRITE_BYTES):
                yield chunk
        yield b"\r\n"
    yield closing(boundary)


def _remove(fetched: Sequence[Fetched]) -> None:
    for one in fetched:
        one.path.unlink(missing_ok=True)


def _json(content: bytes) -> Any:  # noqa: ANN401  JSON
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise Unexpected("the answer is no JSON") from exc


def _json_list(content: bytes) -> list[dict[str, Any]]:
    value = _json(content)
    if not isinstance(value, list):
        raise Unexpected("the answer to a QIDO-RS request is no JSON array")
    return value
