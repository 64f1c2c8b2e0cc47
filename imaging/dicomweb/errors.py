"""What can go wrong on ``/dicom-web``, besides the archive's errors.

ImagingError
├── DicomWebError          refusals of the server
│   ├── BadRequest         the query, the body or its framing cannot be read
│   ├── NotAcceptable      nothing that the client takes can be made
│   ├── UnsupportedBody    a media type that STOW-RS does not take here
│   ├── NotFound           no such study, series, instance or frame
│   └── Refused            the caller may not (made by the injected ``admit``)
└── ClientError            what the client met (imaging/dicomweb/client.py)
    ├── Unreachable        no answer, also after trying again
    ├── Unexpected         an answer that is no DICOMweb
    └── Answered           the server refused; ``status`` says how
"""

from __future__ import annotations

from collections.abc import Mapping

from imaging.errors import ImagingError

STATUS = {
    "invalid": (400, "invalid"),
    "unprocessable": (422, "invalid"),
    "login": (401, "login"),
    "forbidden": (403, "forbidden"),
    "throttled": (429, "throttled"),
    "not-found": (404, "not-found"),
    "not-acceptable": (406, "not-supported"),
    "conflict": (409, "conflict"),
    "too-costly": (403, "too-costly"),
    "too-long": (413, "too-long"),
    "media-type": (415, "not-supported"),
    "transient": (503, "transient"),
}
"""Category → HTTP status and the issue code of the answer."""


class DicomWebError(ImagingError):
    code = "dicomweb"


class BadRequest(DicomWebError):
    code = "bad-request"


class NotAcceptable(DicomWebError):
    category = "not-acceptable"
    code = "not-acceptable"


class UnsupportedBody(DicomWebError):
    category = "media-type"
    code = "unsupported-body"


class NotFound(DicomWebError):
    category = "not-found"
    code = "not-found"


class Refused(DicomWebError):
    """``category`` login or forbidden; ``headers`` go into the answer (WWW-Authenticate)."""

    code = "refused"

    def __init__(self, category: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.category, self.headers = category, dict(headers or {})


class ClientError(ImagingError):
    category = "transient"
    code = "dicomweb-client"


class Unreachable(ClientError):
    code = "unreachable"


class Unexpected(ClientError):
    category = "invalid"
    code = "unexpected-answer"


TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say nothing against the request."""


class Answered(ClientError):
    """The server's status, without its text (which may name a patient)."""

    code = "refused"

    def __init__(self, status: int) -> None:
        super().__init__(f"the DICOMweb server answered {status}")
        self.status = status
        self.category = "transient" if status in TRY_AGAIN else "invalid"
