"""Pixels over DICOMweb or from a Binary: from the server itself, or from an archive that an Endpoint names.

A resource can say anything, so a worker contacts only its own server and addresses that its operator listed, and
sends its credential to the former alone.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from imaging.dicomweb.client import DicomWebClient
from imaging.dicomweb.errors import Answered, ClientError
from inference.client import FhirClient
from inference.errors import Failed, Incomplete, Missing, Transient, Unreachable
from inference.wire import Wire
from inference.workflow.source import Listed, Picture, Study
from inference.workflow.turns import Precedence, Turns

FETCHED_AT_ONCE = 3
"""Files from one archive; something urgent is fetched besides."""
CONNECTIONS = 5
"""To one archive."""

_WADO = frozenset({"dicom-wado-rs", "dicom-qido-rs"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that can be loaded."""

    listed: Listed | None
    sop_instance_uid: str | None
    turns: Turns
    """Of the server that it comes from: a slow one keeps no other's files waiting."""
    load: Callable[[], Awaitable[bytes | Path]]
    """A Path is a file of its own, for the caller to remove."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A DICOMweb server."""

    web: DicomWebClient
    directory: Path
    """Where fetched files are put."""
    turns: Turns

    async def instances(self, study: Study) -> tuple[Listed, ...]:
        """What the archive has of the study (QIDO-RS).

        Raises:
            Failed: the study has no UID. Transient: the archive cannot be reached.
        """
        found = await _translated(self.web.search(f"studies/{_uid(study)}/instances"))
        return tuple(
            Listed(
                series_uid=_first(item, "0020000E"),
                uid=_first(item, "00080018"),
                modality=_first(item, "00080060"),
            )
            for item in found
        )

    def file(self, study: Study, listed: Listed) -> Fetched:
        """One instance, to be loaded by WADO-RS. One that is listed but absent makes the study incomplete."""

        async def load() -> Path:
            try:
                fetched = await self.web.fetch_instance(
                    self.directory, _uid(study), listed.series_uid, listed.uid
                )
            except Answered as error:
                if error.status in {404, 410}:
                    total = max(study.expected or 0, len(study.listed), 1)
                    raise Incomplete(total - 1, total) from error
                raise _of_answer(error) from error
            except ClientError as error:
                raise Unreachable("the archive could not be reached") from error
            return fetched.path

        return Fetched(listed, listed.uid, self.turns, load)


class Archives:
    """Finds the archive of a study. To be closed."""

    def __init__(
        self,
        client: FhirClient,
        directory: Path,
        precedence: Precedence,
        *,
        trusted: tuple[str, ...] = (),
    ) -> None:
        """``directory`` takes fetched files; ``trusted`` are URL prefixes, besides the server's own, to contact."""
        self._client = client
        self._directory = directory
        self._precedence = precedence
        self._trusted = trusted
        self._own = client.base_url.removesuffix("/fhir") + "/dicom-web"
        self._known: dict[str, Archive] = {}
        self._connections: list[httpx.AsyncClient] = []

    async def close(self) -> None:
        await asyncio.gather(*(http.aclose() for http in self._connections))

    async def of(self, study: Study) -> Archive:
        """The archive that the study's Endpoint names; the server's own where it names none.

        Raises:
            Failed: no Endpoint of the study is one that this worker may contact.
        """
        refused = False
        for reference in study.endpoints:
            address = await self._address(study, reference)
            if address is None:
                continue
            if self._client.is_ours(address) or address.startswith(self._trusted or ("\0",)):
                return self._archive(address)
            refused = True
        if refused:
            text = "The study's Endpoint is not among the addresses that this worker may contact."
            raise Failed("endpoint-not-trusted", text)
        return self._archive(self._own)

    async def picture(self, source: Picture) -> Fetched:
        """A single image file.

        Raises:
            Failed: it has no content on this server.
        """

        async def load() -> bytes:
            if source.data is not None:
                return _decoded(source.data)
            if source.binary is None:
                raise Failed("study-missing", "The Media holds no content of this server.")
            try:
                return (await self._client.binary(source.binary)).body
            except Missing as error:
                raise Failed("study-missing", "The picture's Binary does not exist.") from error

        return Fetched(None, None, self._archive(self._own).turns, load)

    async def _address(self, study: Study, reference: str) -> str | None:
        endpoint: Mapping[str, Any]
        if reference.startswith("#"):
            endpoint = study.contained.get(reference[1:], {})
        elif reference.startswith("Endpoint/"):
            try:
                id = reference.removeprefix("Endpoint/").partition("/")[0]
                endpoint = (await self._client.read("Endpoint", id)).json()
            except Missing:
                return None
        else:
            return None
        kind = endpoint.get("connectionType", {}).get("code")
        address = str(endpoint.get("address", "")).rstrip("/")
        usable = kind in _WADO and endpoint.get("status") in {"active", "test"}
        return address if usable and address.startswith(("http://", "https://")) else None

    def _archive(self, address: str) -> Archive:
        if address not in self._known:
            http = httpx.AsyncClient(
                auth=self._client.credential_for(address),
                transport=Wire(CONNECTIONS),
                timeout=httpx.Timeout(60.0, connect=5.0),
                trust_env=False,
            )
            self._connections.append(http)
            self._known[address] = Archive(
                DicomWebClient(http, address),
                self._directory,
                self._precedence.turns(FETCHED_AT_ONCE, urgent_waits=False),
            )
        return self._known[address]


async def _translated(request: Awaitable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return await request
    except Answered as error:
        if error.status in {404, 410}:
            return []
        raise _of_answer(error) from error
    except ClientError as error:
        raise Unreachable("the archive could not be reached") from error


def _of_answer(error: Answered) -> Transient | Failed:
    if error.category == "transient":
        return Unreachable("the archive cannot answer now")
    return Failed("study-missing", f"The archive refused the study with status {error.status}.")


def _uid(study: Study) -> str:
    if study.uid is None:
        raise Failed("study-missing", "The ImagingStudy names no Study Instance UID.")
    return study.uid


def _first(item: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM JSON (PS3.18 F.2)."""
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0])


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failed("pixels-unreadable", "The picture's data are no base64.") from error
