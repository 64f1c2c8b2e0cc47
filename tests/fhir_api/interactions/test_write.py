"""Writing from within the process: the same checks, one commit with other records, decided again after a conflict."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from fhir_api.errors import FhirError
from fhir_api.interactions.write import Change, new_id, save
from store.interface import Write
from store.sqlite import SqliteStore
from tests.fhir_api.client import OPERATOR, Client, patient

STUDY: dict[str, Any] = {
    "resourceType": "ImagingStudy",
    "id": "s",
    "status": "available",
    "subject": {"reference": "Patient/a"},
}


def record(id: str, expected: int = 0) -> Write:
    return Write("dicom:instance", id, expected + 1, expected, 1, "PUT", b"{}", keep_history=False)


async def test_a_resource_and_archive_records_land_together(
    client: Client, store: SqliteStore
) -> None:
    async def rebuild() -> tuple[Sequence[Change], Sequence[Write]]:
        return [Change(STUDY, None)], [record("1.2.3")]

    (version,) = await save(client.api, rebuild, by=OPERATOR)
    assert version.version == 1
    assert (await client.get("ImagingStudy/s")).json["subject"] == {"reference": "Patient/a"}
    assert (await store.read("dicom:instance", "1.2.3")) is not None
    assert (await client.get("ImagingStudy?patient=a")).json["total"] == 1


async def test_an_invalid_resource_leaves_nothing_behind(
    client: Client, store: SqliteStore
) -> None:
    async def rebuild() -> tuple[Sequence[Change], Sequence[Write]]:
        return [Change({**STUDY, "status": "odd"}, None)], [record("1.2.3")]

    with pytest.raises(FhirError) as refused:
        await save(client.api, rebuild, by=OPERATOR)
    assert refused.value.status == 422
    assert await store.read("dicom:instance", "1.2.3") is None


async def test_racing_saves_rebuild_on_what_came_first(client: Client) -> None:
    async def add(number: int) -> None:
        async def rebuild() -> tuple[Sequence[Change], Sequence[Write]]:
            current = await client.api.store.read("ImagingStudy", "s")
            count = (await client.get("ImagingStudy/s")).json["numberOfInstances"] if current else 0
            study = {**STUDY, "numberOfInstances": count + 1}
            return [Change(study, current)], [record(str(number))]

        await save(client.api, rebuild, by=OPERATOR)

    await asyncio.gather(*(add(number) for number in range(10)))
    assert (await client.get("ImagingStudy/s")).json["numberOfInstances"] == 10
    assert (await client.get("ImagingStudy/s")).etag == 'W/"10"'


async def test_saving_what_is_stored_makes_no_version(client: Client) -> None:
    async def rebuild() -> tuple[Sequence[Change], Sequence[Write]]:
        return [Change(STUDY, await client.api.store.read("ImagingStudy", "s"))], []

    (first,) = await save(client.api, rebuild, by=OPERATOR)
    (second,) = await save(client.api, rebuild, by=OPERATOR)
    assert (first.version, second.version) == (1, 1)


async def test_a_conflict_that_never_ends_is_409_in_the_end(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    stale = await client.api.store.read("Patient", "a")
    await client.put("Patient/a", patient(id="a", active=True))
    options = dataclasses.replace(client.api.options, commit_attempts=3)
    asked = 0

    async def rebuild() -> tuple[Sequence[Change], Sequence[Write]]:
        nonlocal asked
        asked += 1
        return [Change(patient(id="a", active=False), stale)], []

    with pytest.raises(FhirError) as refused:
        await save(dataclasses.replace(client.api, options=options), rebuild, by=OPERATOR)
    assert (refused.value.status, asked) == (409, 3)
    assert (await client.get("Patient/a")).json["active"] is True


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    """RFC 9562 §5.7"""
    ids = [new_id(moment * 1_000_000) for moment in range(1_000)]
    assert len(set(ids)) == 1_000
    assert ids == sorted(ids)
    assert all(len(id) == 36 and id[14] == "7" and id[19] in "89ab" for id in ids)
