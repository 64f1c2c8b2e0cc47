"""What can go wrong with an upload, besides the errors of its files (imaging/errors.py).

ImagingError
└── ArchiveError
    ├── EmptyUpload              no files
    ├── UploadTooLarge           past a limit of this server
    ├── InvalidObject            DICOM without the identifiers that an archive needs
    ├── MixedPatients            files of different patients in one upload
    ├── InstanceConflict         the SOP Instance UID is stored with other content
    ├── StudyConflict            the study is stored for another patient
    ├── NotAllowed               the study is not the sender's to store
    ├── UnknownInstance          nothing is stored under this UID
    └── PartError                one file's ImageError or InvalidObject, with which file it was
"""

from __future__ import annotations

from imaging.errors import ImagingError


class ArchiveError(ImagingError):
    code = "archive"


class EmptyUpload(ArchiveError):
    code = "empty-upload"


class UploadTooLarge(ArchiveError):
    category = "too-long"
    code = "upload-too-large"


class InvalidObject(ArchiveError):
    category = "unprocessable"
    code = "invalid-object"


class MixedPatients(ArchiveError):
    category = "unprocessable"
    code = "mixed-patients"


class InstanceConflict(ArchiveError):
    """``index`` is the file's place in the upload, from 0."""

    category = "conflict"
    code = "instance-conflict"

    def __init__(self, index: int) -> None:
        super().__init__(
            f"file {index + 1}: its SOP Instance UID is that of an instance with other content"
        )
        self.index = index


class StudyConflict(ArchiveError):
    category = "conflict"
    code = "study-conflict"


class NotAllowed(ArchiveError):
    """Says the same whatever is stored: who may not store a study learns nothing of it."""

    category = "forbidden"
    code = "not-allowed"

    def __init__(self) -> None:
        super().__init__("a study of the upload is outside of what you may store")


class UnknownInstance(ArchiveError):
    category = "not-found"
    code = "unknown-instance"


class PartError(ArchiveError):
    """What is wrong with one file of an upload. ``index`` counts the files from 0."""

    def __init__(self, index: int, cause: ImagingError) -> None:
        super().__init__(f"file {index + 1}: {cause}")
        self.index, self.cause = index, cause
        self.category, self.code = cause.category, cause.code
