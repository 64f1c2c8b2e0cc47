"""The analyses we offer: their code system, what they look at, and the Devices that carry them out.

A ``Task`` asks for an analysis by code, by naming a model's Device, or only by pointing at a study that one fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

ANALYSIS_SYSTEM = "urn:healthvision:analysis"
"""Canonical of our CodeSystem of analyses (``Task.code``)."""

_DICOM_MODALITY = "http://dicom.nema.org/resources/ontology/DCM"
_SNOMED = "http://snomed.info/sct"


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis: what is asked for, whichever version of a model answers."""

    code: str
    display: str
    modalities: frozenset[str]
    """DICOM modality codes (PS3.3 C.7.3.1.1.1) of the series it can read."""
    body_sites: frozenset[str]
    """SNOMED CT codes of the body parts that it is about."""
    body_words: frozenset[str]
    """The same body parts as words: what Body Part Examined or a site's display says, in lower case."""

    @property
    def topic(self) -> str:
        """What a queue entry of this analysis is found by."""
        return f"analysis:{self.code}"


CHEST_XRAY_PNEUMONIA = Analysis(
    code="chest-xray-pneumonia",
    display="Frontal chest radiograph: assessment for pneumonia",
    modalities=frozenset({"CR", "DX", "RG"}),
    body_sites=frozenset({"51185008", "39607008", "43799004", "816094009"}),
    body_words=frozenset({"chest", "thorax", "thoracic", "lung", "lungs"}),
)

ANALYSES: Mapping[str, Analysis] = MappingProxyType(
    {analysis.code: analysis for analysis in (CHEST_XRAY_PNEUMONIA,)}
)


def device_id(analysis: str, version: str) -> str:
    """The id of the Device that is one version of an analysis' model: ``ai-<analysis>-<version>``."""
    return f"ai-{analysis}-{version}"


def device_topic(device: str) -> str:
    """The topic of a Task that names one Device: only that version may answer it."""
    return f"device:{device}"


def analysis_of_device(device: str) -> Analysis | None:
    """The analysis that a Device id of ours stands for, whatever its version."""
    for analysis in ANALYSES.values():
        if device.startswith(f"ai-{analysis.code}-"):
            return analysis
    return None


def analysis_of_study(study: Mapping[str, Any]) -> Analysis | None:
    """The analysis that fits an ``ImagingStudy``: the first with a series of its modality and body part.

    A series that names no body part is held to what its description and the study's say; where they are silent
    too, the modality decides, and whether the pixels suit the model is found out by looking at them.
    """
    for analysis in ANALYSES.values():
        for modality, codes, text in _series_of(study):
            if modality not in analysis.modalities:
                continue
            if codes & analysis.body_sites or set(text.split()) & analysis.body_words:
                return analysis
            if not codes and not text:
                return analysis
    return None


def _series_of(study: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str], str]]:
    """Modality, SNOMED body sites and body words of each series, or of the study where it lists none."""
    described = _words(study.get("description"))
    series = study.get("series")
    for item in series if isinstance(series, list) else []:
        if not isinstance(item, dict):
            continue
        site = item.get("bodySite")
        site = site if isinstance(site, dict) else {}
        codes = frozenset(
            str(site["code"]) for _ in (0,) if site.get("system") == _SNOMED and site.get("code")
        )
        if site:
            text = _words(site.get("display")) or _words(site.get("code"))
        else:
            text = _words(item.get("description")) or described
        yield _modality(item.get("modality")), codes, text
    if not series:
        modalities = study.get("modality")
        for coding in modalities if isinstance(modalities, list) else []:
            yield _modality(coding), frozenset(), described


def _modality(coding: object) -> str:
    if not isinstance(coding, dict) or coding.get("system") not in {_DICOM_MODALITY, None}:
        return ""
    return str(coding.get("code", ""))


def _words(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
