"""The data set of an instance in DICOM's JSON model, pixels and other bulk data as URLs.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_F.2.6.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from imaging.archive.attributes import Attributes, tag
from imaging.archive.records import InstanceRecord
from imaging.formats import Format
from imaging.formats.dicom_header import DicomFile, open_dicom

_BULK_BYTES = 1024
_BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_PIXEL_TAGS = {
    "PixelData": "7FE00010",
    "FloatPixelData": "7FE00008",
    "DoubleFloatPixelData": "7FE00009",
}


def instance_metadata(
    path: Path, instance: InstanceRecord, above: Attributes, instance_url: str
) -> Attributes:
    """All attributes of an instance. ``above``: what its study and series records hold, for files that are not DICOM."""
    if instance.format is not Format.DICOM:
        return dict(sorted((above | instance.attributes).items()))
    with path.open("rb") as stream:
        file = open_dicom(stream)
        attributes = _attributes(file.dataset, instance_url)
        _add_pixels(file, attributes, instance_url)
    attributes[tag("AvailableTransferSyntaxUID")] = {
        "vr": "UI",
        "Value": [str(file.transfer_syntax)],
    }
    return dict(sorted(attributes.items()))


def _attributes(dataset: Dataset, instance_url: str) -> Attributes:
    attributes: Attributes = {}
    for key, raw in list(dataset.items()):
        name = f"{int(key):08X}"
        if name.startswith("0002") or name.endswith("0000"):
            continue  # file meta information and group lengths are no part of the data set
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length > _BULK_BYTES:
            # left on disk by open_dicom
            attributes[name] = {
                "vr": raw.VR or "UN",
                "BulkDataURI": f"{instance_url}/bulkdata/{name}",
            }
            continue
        try:
            attributes[name] = _json(dataset, int(key), f"{instance_url}/bulkdata/{name}")
        except Exception:  # noqa: BLE001, S112  what pydicom cannot read, a client could not either
            continue
    return attributes


def _json(dataset: Dataset, key: int, url: str) -> dict[str, Any]:
    value: dict[str, Any] = dataset[key].to_json_dict(lambda _: url, _BULK_BYTES)
    if value.get("vr") not in _BULK_VRS and "BulkDataURI" in value:
        value = dataset[key].to_json_dict(None, 0)  # long text stays text
    return value


def _add_pixels(file: DicomFile, attributes: Attributes, instance_url: str) -> None:
    if file.pixels is None:
        return
    name = _PIXEL_TAGS[file.pixels.keyword]
    vr = file.pixels.vr or ("OW" if name == "7FE00010" else "OF")
    attributes[name] = {"vr": vr, "BulkDataURI": f"{instance_url}/bulkdata/{name}"}
