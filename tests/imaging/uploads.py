"""Making uploads and variations of real files."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pydicom

from imaging.archive.ingest import Archive, Ingested, ingest
from imaging.archive.inspect import Described
from imaging.archive.records import INSTANCE_TYPE, SERIES_TYPE, STUDY_TYPE
from imaging.archive.staging import Part
from store.query import Query
from store.sqlite import SqliteStore
from tests.imaging.conftest import sample

PATIENT = {"reference": "Patient/example"}


def variation(name: str = "CT_small.dcm", **attributes: object) -> bytes:
    """A real file with some attributes changed; None removes one."""
    dataset = pydicom.dcmread(sample(name))
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if attributes.get("SOPInstanceUID"):
        dataset.file_meta.MediaStorageSOPInstanceUID = attributes["SOPInstanceUID"]
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


def series_of(count: int, **attributes: object) -> list[bytes]:
    return [
        variation(SOPInstanceUID=f"1.2.3.{number}", InstanceNumber=number, **attributes)
        for number in range(1, count + 1)
    ]


async def parts(*contents: bytes) -> AsyncIterator[Part]:
    for content in contents:
        yield Part(_pieces(content))


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 50_000):
        yield content[start : start + 50_000]


async def upload(
    archive: Archive,
    *contents: bytes,
    subject: dict = PATIENT,
    described: Callable[[], Described] = Described,
) -> Ingested:
    async def subject_of(_patient) -> dict:
        return subject

    return await ingest(archive, parts(*contents), subject_of, described)


async def stored_types(store: SqliteStore) -> dict[str, int]:
    """How many of each there are; empty: nothing."""
    counts = {
        type: await store.count(Query(type))
        for type in (STUDY_TYPE, SERIES_TYPE, INSTANCE_TYPE, "ImagingStudy")
    }
    return {type: count for type, count in counts.items() if count}


def files_below(directory: Path) -> list[Path]:
    """Blobs and staged files."""
    return [path for path in (directory / "blobs").rglob("*") if path.is_file()]
