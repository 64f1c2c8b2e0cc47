"""DICOM, NIfTI, JPEG, PNG and TIFF → one in-memory ``Image``."""

from imaging.formats.image import BodyPart, Format, Image, Kind, Sourced
from imaging.formats.limits import Limits
from imaging.formats.read import read
from imaging.formats.volume import volume_of

__all__ = ["BodyPart", "Format", "Image", "Kind", "Limits", "Sourced", "read", "volume_of"]
