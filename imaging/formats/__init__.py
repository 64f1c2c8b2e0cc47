"""DICOM, NIfTI, JPEG, PNG and TIFF → one in-memory ``Image``."""

from imaging.formats.image import BodyPart, Format, Image, Kind, Sourced
from imaging.formats.limits import Limits
from imaging.formats.read import read

__all__ = ["BodyPart", "Format", "Image", "Kind", "Limits", "Sourced", "read"]
