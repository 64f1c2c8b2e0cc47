"""QIDO-RS: studies, series and instances by their attributes.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html. The store narrows by what it indexes;
every criterion is then applied to the attributes themselves. Results come study by study in order of arrival.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from imaging.archive import attributes as dicom
from imaging.archive.attributes import Attributes, element, tag
from imaging.archive.queries import records
from imaging.archive.records import (
    DAY_US,
    INSTANCE_TYPE,
    SERIES_TYPE,
    STUDY_TYPE,
    InstanceRecord,
    SeriesRecord,
    StudyRecord,
    instance_record,
    series_record,
    study_day_us,
    study_record,
)
from imaging.dicomweb.errors import BadRequest
from imaging.dicomweb.matching import Criterion, attribute_path, criterion
from store.interface import Store
from store.query import Compare, Condition, DateIs, IdIn, TokenIs

MAX_RESULTS = 5000
_CONTROL = frozenset(
    {"limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "accept"}
)


class Level(IntEnum):
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


_STUDY_TAGS = frozenset(dicom.STUDY) | {
    tag("ModalitiesInStudy"),
    tag("SOPClassesInStudy"),
    tag("NumberOfStudyRelatedSeries"),
    tag("NumberOfStudyRelatedInstances"),
}
_SERIES_TAGS = frozenset(dicom.SERIES) | {tag("NumberOfSeriesRelatedInstances")}
_INSTANCE_TAGS = frozenset(dicom.INSTANCE) | {tag("InstanceAvailability")}
_ONLY_WHEN_ASKED = frozenset(
    tag(keyword)
    for keyword in (
        "PatientAge", "SOPClassesInStudy", "SeriesDate", "SeriesTime", "ProtocolName", "Manufacturer",
        "ManufacturerModelName", "StationName", "ContentDate", "ContentTime", "ImageType", "ImageLaterality",
    )
)  # fmt: skip
"""Held, but no part of an answer unless ``includefield`` names them."""


@dataclass(frozen=True, slots=True)
class Search:
    """A QIDO-RS query."""

    level: Level
    criteria: tuple[Criterion, ...]
    study_uid: str | None = None
    series_uid: str | None = None
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int = MAX_RESULTS
    offset: int = 0
    fuzzy: bool = False

    def of(self, tags: frozenset[str]) -> tuple[Criterion, ...]:
        return tuple(one for one in self.criteria if one.path[0] in tags)


def parse_search(
    level: Level,
    parameters: Iterable[tuple[str, str]],
    study_uid: str | None = None,
    series_uid: str | None = None,
) -> Search:
    """Reads the query part of a QIDO-RS URL.

    Raises:
        BadRequest: unknown attributes, values that cannot be, attributes of a lower level.
    """
    criteria: list[Criterion] = []
    control: dict[str, str] = {}
    include: set[str] = set()
    include_all = False
    for name, value in parameters:
        if name == "includefield":
            for field in value.split(","):
                if field == "all":
                    include_all = True
                elif field:
                    include.add(attribute_path(field)[0])
        elif name in _CONTROL:
            control[name] = value
        else:
            criteria.append(criterion(name, value))
    _check_level(level, criteria)
    return Search(
        level=level,
        criteria=tuple(criteria),
        study_uid=study_uid,
        series_uid=series_uid,
        include=frozenset(include) | {one.path[0] for one in criteria},
        include_all=include_all,
        limit=min(_count(control.get("limit"), MAX_RESULTS), MAX_RESULTS),
        offset=_count(control.get("offset"), 0),
        fuzzy=control.get("fuzzymatching", "false").lower() == "true",
    )


def _check_level(level: Level, criteria: Sequence[Criterion]) -> None:
    held = _STUDY_TAGS
    if level >= Level.SERIES:
        held |= _SERIES_TAGS
    if level >= Level.INSTANCE:
        held |= _INSTANCE_TAGS
    if level is Level.STUDY:  # a study can be found by one of its series
        held |= {tag("SeriesInstanceUID"), tag("Modality")}
    if any(one.path[0] not in held for one in criteria):
        raise BadRequest("the query matches an attribute that is not matched at this level")


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise BadRequest("limit and offset are whole numbers")
    return int(text)


@dataclass(frozen=True, slots=True)
class Results:
    items: list[Attributes]
    more: bool


async def run_search(
    store: Store, search: Search, base_url: str, studies: Sequence[Condition] = ()
) -> Results:
    """One page of the results in studies whose records meet ``studies``; ``more``: others follow it."""
    items: list[Attributes] = []
    skipped = 0
    if search.limit == 0:
        return Results([], more=False)
    async for item in _found(store, search, base_url, studies):
        if skipped < search.offset:
            skipped += 1
            continue
        if len(items) == search.limit:
            return Results(items, more=True)
        items.append(item)
    return Results(items, more=False)


async def _found(
    store: Store, search: Search, base_url: str, studies: Sequence[Condition]
) -> AsyncIterator[Attributes]:
    study_criteria = search.of(_STUDY_TAGS)
    async for study in _studies(store, search, study_criteria, studies):
        study_attributes = study_answer(study, base_url)
        if not all(one.matches(study_attributes) for one in study_criteria):
            continue
        if search.level is Level.STUDY:
            if await _has_series(store, search, study):
                yield _shown(search, study_attributes)
            continue
        above = study_attributes if search.study_uid is None else {}
        async for series in _series(store, search, study):
            series_attributes = series_answer(series, base_url)
            if not all(one.matches(series_attributes) for one in search.of(_SERIES_TAGS)):
                continue
            if search.level is Level.SERIES:
                yield _shown(search, above | series_attributes)
                continue
            above_too = above | (series_attributes if search.series_uid is None else {})
            async for instance in _instances(store, search, series):
                attributes = instance_answer(instance, base_url)
                if all(one.matches(attributes) for one in search.of(_INSTANCE_TAGS)):
                    yield _shown(search, above_too | attributes)


async def _studies(
    store: Store, search: Search, criteria: tuple[Criterion, ...], studies: Sequence[Condition]
) -> AsyncIterator[StudyRecord]:
    where = [*_indexed(criteria), *studies]
    uids = await _study_uids(store, search)
    if uids is not None:
        where.append(IdIn(tuple(sorted(uids))))
    async for version in records(store, STUDY_TYPE, where):
        yield study_record(version)


async def _study_uids(store: Store, search: Search) -> set[str] | None:
    """The studies that UIDs in the query lead to; None where it has none."""
    found: list[set[str]] = [{search.study_uid}] if search.study_uid else []
    exact = {one.path[0]: one.exact_values for one in search.criteria if len(one.path) == 1}
    if exact.get(tag("StudyInstanceUID")):
        found.append(set(exact[tag("StudyInstanceUID")]))
    for keyword, type in (("SeriesInstanceUID", SERIES_TYPE), ("SOPInstanceUID", INSTANCE_TYPE)):
        uids = exact.get(tag(keyword))
        if uids:
            versions = await store.read_many([(type, uid) for uid in uids])
            parse = series_record if type == SERIES_TYPE else instance_record
            found.append({parse(one).study_uid for one in versions if one and not one.deleted})
    return set.intersection(*found) if found else None


def _indexed(criteria: tuple[Criterion, ...]) -> list[Condition]:
    """The conditions that the store can answer by index; never narrower than the criteria."""
    conditions: list[Condition] = []
    tokens = {
        tag(name): name for name in ("PatientID", "AccessionNumber", "StudyID", "ModalitiesInStudy")
    }
    for one in criteria:
        if len(one.path) != 1 or one.universal:
            continue
        if one.path[0] in tokens and one.exact_values:
            conditions.append(TokenIs(tokens[one.path[0]], None, one.exact_values[0]))
        if one.path[0] == tag("StudyDate"):
            low, dash, high = one.value.partition("-")
            first, last = study_day_us(low), study_day_us(high if dash else low)
            if first is not None:
                conditions.append(DateIs("StudyDate", Compare.GE, first, first + DAY_US))
            if last is not None:
                conditions.append(DateIs("StudyDate", Compare.LE, last, last + DAY_US))
    return conditions


async def _has_series(store: Store, search: Search, study: StudyRecord) -> bool:
    """Whether a study has a series as the query's series attributes ask."""
    wanted = search.of(_SERIES_TAGS)
    if all(one.universal for one in wanted):
        return True
    async for series in _series(store, search, study):
        if all(one.matches(series.attributes) for one in wanted):
            return True
    return False


async def _series(store: Store, search: Search, study: StudyRecord) -> AsyncIterator[SeriesRecord]:
    where: list[Condition] = [TokenIs("study", None, study.uid)]
    if search.series_uid is not None:
        where.append(IdIn((search.series_uid,)))
    async for version in records(store, SERIES_TYPE, where):
        yield series_record(version)


async def _instances(
    store: Store, search: Search, series: SeriesRecord
) -> AsyncIterator[InstanceRecord]:
    where: list[Condition] = [TokenIs("series", None, series.uid)]
    for one in search.criteria:
        if one.path == (tag("SOPInstanceUID"),) and one.exact_values:
            where.append(IdIn(one.exact_values))
        if one.path == (tag("SOPClassUID"),) and len(one.exact_values) == 1:
            where.append(TokenIs("SOPClassUID", None, one.exact_values[0]))
    async for version in records(store, INSTANCE_TYPE, where):
        yield instance_record(version)


def _shown(search: Search, attributes: Attributes) -> Attributes:
    kept = {
        name: value
        for name, value in attributes.items()
        if search.include_all or name in search.include or name not in _ONLY_WHEN_ASKED
    }
    return dict(sorted(kept.items()))


def study_answer(study: StudyRecord, base_url: str) -> Attributes:
    """All that is held of a study, as QIDO-RS answers it (PS3.18 table 10.6.3-3)."""
    return study.attributes | {
        tag("InstanceAvailability"): element("CS", "ONLINE"),
        tag("ModalitiesInStudy"): element("CS", *study.modalities),
        tag("SOPClassesInStudy"): element("UI", *study.sop_classes),
        tag("RetrieveURL"): element("UR", f"{base_url}/studies/{study.uid}"),
        tag("NumberOfStudyRelatedSeries"): element("IS", study.number_of_series),
        tag("NumberOfStudyRelatedInstances"): element("IS", study.number_of_instances),
    }


def series_answer(series: SeriesRecord, base_url: str) -> Attributes:
    """All that is held of a series (PS3.18 table 10.6.3-4)."""
    url = f"{base_url}/studies/{series.study_uid}/series/{series.uid}"
    return series.attributes | {
        tag("StudyInstanceUID"): element("UI", series.study_uid),
        tag("RetrieveURL"): element("UR", url),
        tag("NumberOfSeriesRelatedInstances"): element("IS", series.number_of_instances),
    }


def instance_answer(instance: InstanceRecord, base_url: str) -> Attributes:
    """All that is held of an instance (PS3.18 table 10.6.3-5)."""
    answer: dict[str, Any] = instance.attributes | {
        tag("StudyInstanceUID"): element("UI", instance.study_uid),
        tag("SeriesInstanceUID"): element("UI", instance.series_uid),
        tag("InstanceAvailability"): element("CS", "ONLINE"),
        tag("RetrieveURL"): element("UR", instance_url(instance, base_url)),
    }
    return answer


def instance_url(instance: InstanceRecord, base_url: str) -> str:
    return (
        f"{base_url}/studies/{instance.study_uid}/series/{instance.series_uid}"
        f"/instances/{instance.uid}"
    )
