"""Acquisition modalities as FHIR codes them.

DICOM CID 29 and the defined terms of Modality (0008,0060), PS3.3 C.7.3.1.1.1. Codes that are not in the table (retired or
private ones) are passed on without a display.
"""

from __future__ import annotations

DICOM_ONTOLOGY = "http://dicom.nema.org/resources/ontology/DCM"

_DISPLAY = {
    "AU": "Basic Voice Audio",
    "BI": "Biomagnetic Imaging",
    "BMD": "Bone Mineral Densitometry",
    "CR": "Computed Radiography",
    "CT": "Computed Tomography",
    "DG": "Diaphanography",
    "DX": "Digital Radiography",
    "ECG": "Electrocardiography",
    "EPS": "Cardiac Electrophysiology",
    "ES": "Endoscopy",
    "GM": "General Microscopy",
    "IO": "Intra-oral Radiography",
    "IVUS": "Intravascular Ultrasound",
    "KO": "Key Object Selection",
    "MG": "Mammography",
    "MR": "Magnetic Resonance",
    "NM": "Nuclear Medicine",
    "OCT": "Optical Coherence Tomography",
    "OP": "Ophthalmic Photography",
    "OPT": "Ophthalmic Tomography",
    "OT": "Other Modality",
    "PR": "Presentation State",
    "PT": "Positron emission tomography",
    "PX": "Panoramic X-Ray",
    "RF": "Radiofluoroscopy",
    "RG": "Radiographic imaging",
    "RTDOSE": "Radiotherapy Dose",
    "RTIMAGE": "Radiotherapy Image",
    "RTPLAN": "Radiotherapy Plan",
    "RTSTRUCT": "Radiotherapy Structure Set",
    "SEG": "Segmentation",
    "SM": "Slide Microscopy",
    "SR": "Structured Report Document",
    "US": "Ultrasound",
    "XA": "X-Ray Angiography",
    "XC": "External-camera Photography",
}


def modality_coding(code: str) -> dict[str, str]:
    """A FHIR Coding for a modality code."""
    coding = {"system": DICOM_ONTOLOGY, "code": code}
    if code in _DISPLAY:
        coding["display"] = _DISPLAY[code]
    return coding
