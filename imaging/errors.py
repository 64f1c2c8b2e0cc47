"""What can go wrong with images.

ImagingError
├── ImageError                the bytes cannot be used as an image
│   ├── EmptyFile
│   ├── NotAnImage            no format of ours, or DICOM without pixels
│   ├── CorruptImage          damaged
│   │   └── TruncatedImage    ends too early
│   ├── UnsupportedImage      whole, but in a form that we do not decode
│   ├── ImageTooLarge         past a limit, or grows suspiciously when decoded
│   └── InconsistentSeries    slices that make no volume
└── (imaging.archive.errors, imaging.dicomweb.errors)

No text holds anything from the patient's record: only attribute names, sizes and identifiers of formats.
"""

from __future__ import annotations


class ImagingError(Exception):
    """Root of imaging's errors. ``category`` is one of the error categories of docs/architecture.md."""

    category: str = "invalid"
    code: str = "invalid"
    """A stable name for programs."""


class ImageError(ImagingError):
    category = "unprocessable"
    code = "invalid-image"


class EmptyFile(ImageError):
    code = "empty"


class NotAnImage(ImageError):
    category = "media-type"
    code = "not-an-image"


class CorruptImage(ImageError):
    code = "corrupt"


class TruncatedImage(CorruptImage):
    code = "truncated"


class UnsupportedImage(ImageError):
    category = "media-type"
    code = "unsupported"


class ImageTooLarge(ImageError):
    category = "too-long"
    code = "too-large"


class InconsistentSeries(ImageError):
    code = "inconsistent-series"
