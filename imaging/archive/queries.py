"""Reading the archive's records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from imaging.archive.errors import UnknownInstance
from imaging.archive.records import (
    INSTANCE_TYPE,
    SERIES_TYPE,
    STUDY_TYPE,
    InstanceRecord,
    SeriesRecord,
    StudyRecord,
    instance_record,
    series_record,
    study_record,
)
from store.interface import Store, Version
from store.query import Condition, IdIn, Query, TokenIs

_PAGE = 500


async def records(store: Store, type: str, where: Sequence[Condition]) -> AsyncIterator[Version]:
    """All records that meet ``where``, in order of creation, a page in memory at a time."""
    query = Query(type, tuple(where), limit=_PAGE)
    while True:
        page = await store.search(query)
        for hit in page.hits:
            yield hit.version
        if not page.more:
            return
        query = Query(type, tuple(where), after=page.hits[-1].cursor, limit=_PAGE)


async def read_study(store: Store, uid: str) -> StudyRecord | None:
    version = await store.read(STUDY_TYPE, uid)
    return study_record(version) if version and not version.deleted else None


async def is_met(store: Store, study_uid: str, studies: Sequence[Condition]) -> bool:
    """Whether the study's record is there and meets ``studies``; without any, nothing is looked at."""
    return not studies or bool(await store.count(Query(STUDY_TYPE, (IdIn((study_uid,)), *studies))))


async def read_series(store: Store, study_uid: str, uid: str) -> SeriesRecord | None:
    version = await store.read(SERIES_TYPE, uid)
    record = series_record(version) if version and not version.deleted else None
    return record if record is not None and record.study_uid == study_uid else None


async def read_instance(
    store: Store, study_uid: str, series_uid: str, uid: str, studies: Sequence[Condition] = ()
) -> InstanceRecord:
    """The instance with these three UIDs, of a study that meets ``studies``.

    Raises:
        UnknownInstance: there is none.
    """
    is_shown = await is_met(store, study_uid, studies)
    version = await store.read(INSTANCE_TYPE, uid) if is_shown else None
    if version is not None and not version.deleted:
        record = instance_record(version)
        if (record.study_uid, record.series_uid) == (study_uid, series_uid):
            return record
    raise UnknownInstance("no instance is stored under this study, series and SOP instance UID")


async def series_of_study(store: Store, study_uid: str) -> list[SeriesRecord]:
    where = (TokenIs("study", None, study_uid),)
    return [series_record(version) async for version in records(store, SERIES_TYPE, where)]


async def stored_instances(
    store: Store, study_uid: str, series_uid: str | None = None
) -> list[InstanceRecord]:
    """All instances of a study, or of one of its series, in order of arrival."""
    where = [TokenIs("study", None, study_uid)]
    if series_uid is not None:
        where.append(TokenIs("series", None, series_uid))
    return [instance_record(version) async for version in records(store, INSTANCE_TYPE, where)]
