"""DICOM files, from header to ``Image``."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from imaging.formats import dicom_facts as facts
from imaging.formats.dicom_frames import frame_geometry
from imaging.formats.dicom_grayscale import grayscale_of
from imaging.formats.dicom_header import open_dicom
from imaging.formats.dicom_pixels import check_pixels, decode, pixel_form
from imaging.formats.dicom_values import text
from imaging.formats.image import Format, Image, Kind
from imaging.formats.limits import Limits


def read_dicom(stream: BinaryIO, limits: Limits, frame: int | None = None) -> Image:
    """Reads a DICOM image: all of its frames, or the one with the index ``frame``.

    An enhanced object whose frames are parallel and evenly spaced becomes a volume, its frames in spatial order.

    Raises:
        ImageError: see imaging/errors.py.
        IndexError: there is no such frame.
    """
    file = open_dicom(stream)
    dataset = file.dataset
    form = pixel_form(file)
    if frame is not None and not 0 <= frame < form.frames:
        raise IndexError(f"frame {frame} of {form.frames}")
    check_pixels(file, form, limits, form.frames if frame is None else 1)
    pixels = decode(file, form, frame)
    colour = form.samples == 3 or form.photometric_interpretation == "PALETTE COLOR"
    grayscale = () if colour else grayscale_of(dataset, form.frames)
    spacing, affine = facts.pixel_spacing_mm(dataset), facts.plane_affine(dataset)
    kind = Kind.SINGLE if form.frames == 1 or frame is not None else Kind.MULTI_FRAME
    geometry = frame_geometry(dataset, form.frames)
    if frame is not None and len(grayscale) > 1:
        grayscale = (grayscale[frame],)
    if geometry is not None:
        spacing, affine = geometry.plane(frame or 0)
        if kind is Kind.MULTI_FRAME and geometry.order is not None and not colour:
            kind = Kind.VOLUME
            spacing, affine = geometry.volume()
            pixels = pixels[np.array(geometry.order)]
            if len(grayscale) > 1:
                grayscale = tuple(grayscale[index] for index in geometry.order)
    return Image(
        pixels=pixels,
        kind=kind,
        format=Format.DICOM,
        grayscale=grayscale,
        spacing_mm=spacing,
        affine_lps_mm=affine,
        modality=facts.stated(dataset, "Modality", "(0008,0060)"),
        body_part=facts.body_part(dataset),
        view_position=facts.view_position(dataset),
        laterality=facts.laterality(dataset),
        patient_age_years=facts.patient_age_years(dataset),
        patient_sex=facts.stated(dataset, "PatientSex", "(0010,0040)"),
        study_date=facts.study_date(dataset),
        transfer_syntax_uid=str(file.transfer_syntax),
        sop_class_uid=text(dataset, "SOPClassUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
    )
