"""The R4 ImagingStudy of an archived study: made from the records, or completed where there is one already.

https://hl7.org/fhir/R4/imagingstudy.html. What a hospital system wrote there (basedOn, encounter, procedure …) stays;
series and instances are added by their UIDs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from imaging.archive.attributes import Attributes, first_text
from imaging.archive.inspect import instance_number, sop_class_name
from imaging.archive.records import InstanceRecord, SeriesRecord, StudyRecord
from terminology.modalities import modality_coding

UID_SYSTEM = "urn:dicom:uid"
_URI_SYSTEM = "urn:ietf:rfc:3986"
_ACCESSION_TYPE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]
}
_LATERALITY = {
    "L": {"system": "http://snomed.info/sct", "code": "7771000", "display": "Left"},
    "R": {"system": "http://snomed.info/sct", "code": "24028007", "display": "Right"},
    "B": {"system": "http://snomed.info/sct", "code": "51440002", "display": "Right and left"},
}


def imaging_study_id(study_instance_uid: str) -> str:
    """The id of the ImagingStudy that we make for a study: always the same for the same UID."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, study_instance_uid))


def study_identifier(study_instance_uid: str) -> str:
    """The value of its identifier (system ``urn:dicom:uid``)."""
    return f"urn:oid:{study_instance_uid}"


def imaging_study(
    study: StudyRecord,
    series: Sequence[SeriesRecord],
    instances: Sequence[InstanceRecord],
    existing: dict[str, Any] | None,
) -> dict[str, Any]:
    """The ImagingStudy that holds all of ``instances``, and what ``existing`` says besides.

    ``numberOfInstances`` never falls: where a hospital system announced more than has arrived, it stays the announced
    number, which is how a reader knows that the study is incomplete.
    """
    resource: dict[str, Any] = existing or {
        "resourceType": "ImagingStudy",
        "id": study.imaging_study_id,
        "status": "available",
        "subject": study.subject,
    }
    resource = {key: value for key, value in resource.items() if key != "meta"} | (
        {"meta": _kept_meta(resource["meta"])} if _kept_meta(resource.get("meta")) else {}
    )
    if resource["status"] == "registered":
        resource["status"] = "available"
    resource["identifier"] = _identifiers(study, resource.get("identifier", []))
    _fill_from_attributes(resource, study.attributes)
    resource["series"] = _series(series, instances, resource.get("series", []))
    _fill_totals(resource)
    return resource


def _kept_meta(meta: dict[str, Any] | None) -> dict[str, Any]:
    """Version and time are the server's to set."""
    return {
        key: value for key, value in (meta or {}).items() if key not in {"versionId", "lastUpdated"}
    }


def _identifiers(study: StudyRecord, existing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    identifiers = list(existing)
    value = study_identifier(study.uid)
    if not any(
        one.get("system") == UID_SYSTEM and one.get("value") == value for one in identifiers
    ):
        identifiers.insert(0, {"system": UID_SYSTEM, "value": value})
    accession = first_text(study.attributes, "AccessionNumber")
    if accession and not any(one.get("value") == accession for one in identifiers):
        identifiers.append({"type": _ACCESSION_TYPE, "value": accession})
    return identifiers


def _fill_from_attributes(resource: dict[str, Any], attributes: Attributes) -> None:
    """Adds what DICOM says and the resource does not yet."""
    started = started_at(attributes)
    if started and "started" not in resource:
        resource["started"] = started
    description = first_text(attributes, "StudyDescription")
    if description and "description" not in resource:
        resource["description"] = description


def started_at(attributes: Attributes) -> str | None:
    """Study Date and Time as a FHIR dateTime; only the date where the time or its zone is not known."""
    date = first_text(attributes, "StudyDate") or ""
    time = first_text(attributes, "StudyTime") or ""
    try:
        day = datetime.strptime(date, "%Y%m%d")  # noqa: DTZ007  the zone is a separate attribute
        zone = _zone(first_text(attributes, "TimezoneOffsetFromUTC"))
        if zone is None or len(time) < 6:
            return day.date().isoformat()
        clock = datetime.strptime(time[:6], "%H%M%S")  # noqa: DTZ007
        moment = day.replace(hour=clock.hour, minute=clock.minute, second=clock.second)
        return moment.replace(tzinfo=zone).isoformat()
    except ValueError:
        return None


def _zone(offset: str | None) -> timezone | None:
    if offset is None or len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdecimal():
        return None
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    if delta > timedelta(hours=14):
        return None
    return timezone(delta if offset[0] == "+" else -delta) if delta else UTC


def _series(
    series: Sequence[SeriesRecord],
    instances: Sequence[InstanceRecord],
    existing: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    by_uid = {one["uid"]: dict(one) for one in existing}
    for record in series:
        own = [one for one in instances if one.series_uid == record.uid]
        merged = by_uid.get(record.uid) or _new_series(record, own)
        merged["instance"] = _instances(own, merged.get("instance", []))
        merged["numberOfInstances"] = max(
            merged.get("numberOfInstances", 0), len(merged["instance"])
        )
        by_uid[record.uid] = merged
    return list(by_uid.values())


def _new_series(record: SeriesRecord, instances: Iterable[InstanceRecord]) -> dict[str, Any]:
    attributes = record.attributes
    series: dict[str, Any] = {"uid": record.uid}
    number = first_text(attributes, "SeriesNumber") or ""
    if number.isdecimal() and int(number) < 2**31:
        series["number"] = int(number)
    series["modality"] = modality_coding(first_text(attributes, "Modality") or "OT")
    description = first_text(attributes, "SeriesDescription")
    if description:
        series["description"] = description
    for instance in instances:
        if "bodySite" in instance.annotations:
            series["bodySite"] = instance.annotations["bodySite"]
            break
    laterality = _LATERALITY.get(first_text(attributes, "Laterality") or "")
    if laterality:
        series["laterality"] = laterality
    return series


def _instances(
    records: Sequence[InstanceRecord], existing: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    known = {one["uid"] for one in existing}
    added = [_instance(record) for record in records if record.uid not in known]
    added.sort(key=lambda one: (one.get("number", 0), one["uid"]))
    return existing + added


def _instance(record: InstanceRecord) -> dict[str, Any]:
    instance: dict[str, Any] = {
        "uid": record.uid,
        "sopClass": {
            "system": _URI_SYSTEM,
            "code": f"urn:oid:{record.sop_class_uid}",
            "display": sop_class_name(record.sop_class_uid),
        },
    }
    number = instance_number(record.attributes)
    if number is not None:
        instance["number"] = number
    return instance


def _fill_totals(resource: dict[str, Any]) -> None:
    series = resource["series"]
    resource["numberOfSeries"] = max(resource.get("numberOfSeries", 0), len(series))
    present = sum(one.get("numberOfInstances", 0) for one in series)
    resource["numberOfInstances"] = max(resource.get("numberOfInstances", 0), present)
    modalities = resource.setdefault("modality", [])
    known = {one.get("code") for one in modalities}
    for one in series:
        if one["modality"].get("code") not in known:
            modalities.append(one["modality"])
            known.add(one["modality"].get("code"))
