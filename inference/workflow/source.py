"""What a Task wants looked at: a study with its instances, or a single picture (Media, Binary)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inference.client import FhirClient
from inference.errors import Failed, Missing
from inference.workflow.task import TaskDocument, reference_of
from terminology.analyses import Analysis

NO_PIXELS = frozenset(
    {
        "SR",
        "KO",
        "PR",
        "DOC",
        "SEG",
        "RTSTRUCT",
        "RTPLAN",
        "RTDOSE",
        "REG",
        "AU",
        "ECG",
        "EPS",
        "HD",
    }
)
"""Modalities whose instances are no images that a model could read (PS3.3 C.7.3.1.1.1)."""

_UID_SYSTEM = "urn:dicom:uid"
_ACCESSION = "ACSN"


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance, as an ImagingStudy or a DICOMweb server lists it."""

    series_uid: str
    uid: str
    modality: str = ""
    body_part: str = ""
    """As words."""
    body_site: str = ""
    """As a SNOMED CT code."""

    def body_words(self, analysis: Analysis) -> str:
        """The body part in words that a model knows: a code of the analysis' own region is said as ``CHEST``."""
        return "CHEST" if self.body_site in analysis.body_sites else self.body_part


@dataclass(frozen=True, slots=True)
class Study:
    """An ImagingStudy, as far as an analysis needs it."""

    reference: str
    uid: str | None
    subject: str | None
    started: str | None
    accession: str | None
    expected: int | None
    """``numberOfInstances``, or the sum of the series' numbers."""
    listed: tuple[Listed, ...]
    endpoints: tuple[str, ...]
    """References in the order in which they stand."""
    contained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """One image file outside of a study."""

    reference: str
    """``Media/x`` or ``Binary/x``."""
    binary: str | None
    """Id of the Binary that holds the bytes."""
    data: str | None
    """The bytes in base64, where they stand in the resource itself."""
    subject: str | None
    created: str | None


async def source_of(client: FhirClient, task: TaskDocument) -> Study | Picture:
    """What ``focus`` points at, or the first input that is a picture or a study.

    Raises:
        Failed: the Task points at nothing that can be read.
    """
    for reference in _candidates(task):
        type, _, id = reference.partition("/")
        if type == "Binary":
            return Picture(reference, id, None, None, None)
        try:
            resource = (await client.read(type, id)).json()
        except Missing as error:
            text = f"The {type} that the Task points at does not exist."
            raise Failed("study-missing", text) from error
        return study_of(resource) if type == "ImagingStudy" else _picture_of(resource)
    raise Failed(
        "study-missing", "The Task points at no ImagingStudy, Media or Binary of this server."
    )


def study_of(resource: Mapping[str, Any]) -> Study:
    """Reads an ImagingStudy. What is missing stays None; nothing is guessed."""
    series = [item for item in resource.get("series", ()) if isinstance(item, dict)]
    identifiers = [item for item in resource.get("identifier", ()) if isinstance(item, dict)]
    uids = [item["value"] for item in identifiers if item.get("system") == _UID_SYSTEM]
    accessions = [
        item.get("value")
        for item in identifiers
        if any(
            coding.get("code") == _ACCESSION for coding in item.get("type", {}).get("coding", ())
        )
    ]
    numbers = [item["numberOfInstances"] for item in series if "numberOfInstances" in item]
    endpoints = [*resource.get("endpoint", ())]
    for item in series:
        endpoints += item.get("endpoint", ())
    return Study(
        reference=f"ImagingStudy/{resource['id']}",
        uid=str(uids[0]).removeprefix("urn:oid:") if uids else None,
        subject=reference_of(resource.get("subject")),
        started=resource.get("started"),
        accession=accessions[0] if accessions else None,
        expected=resource.get("numberOfInstances", sum(numbers) if numbers else None),
        listed=tuple(_listed(series)),
        endpoints=tuple(reference for item in endpoints if (reference := reference_of(item))),
        contained={item["id"]: item for item in resource.get("contained", ()) if "id" in item},
    )


def candidates(analysis: Analysis, listed: tuple[Listed, ...]) -> tuple[Listed, ...]:
    """The instances worth reading: those of a modality that fits, else all that could be images at all."""
    fitting = tuple(item for item in listed if item.modality in analysis.modalities)
    return fitting or tuple(item for item in listed if item.modality not in NO_PIXELS)


def _candidates(task: TaskDocument) -> Iterator[str]:
    references = [task.reference("focus")]
    inputs = task.tree.get("input")
    references += [
        reference_of(item.get("valueReference"))
        for item in (inputs if isinstance(inputs, list) else [])
    ]
    for reference in references:
        if reference and reference.split("/")[0] in {"ImagingStudy", "Media", "Binary"}:
            yield "/".join(reference.split("/")[:2])


def _listed(series: list[dict[str, Any]]) -> Iterator[Listed]:
    for item in series:
        site = item.get("bodySite", {})
        for instance in item.get("instance", ()):
            yield Listed(
                series_uid=str(item["uid"]),
                uid=str(instance["uid"]),
                modality=str(item.get("modality", {}).get("code", "")),
                body_part=str(site.get("display", "")),
                body_site=str(site.get("code", "")),
            )


def _picture_of(media: Mapping[str, Any]) -> Picture:
    content = media.get("content", {})
    url = str(content.get("url", ""))
    type, _, id = url.rpartition("/")
    return Picture(
        reference=f"Media/{media['id']}",
        binary=id if type == "Binary" or type.endswith("/Binary") else None,
        data=content.get("data"),
        subject=reference_of(media.get("subject")),
        created=media.get("createdDateTime"),
    )
