"""``POST /api/v1/studies``: the images of one patient, streamed into the archive.

The form's text fields may come before or after its files; nothing is held in memory but them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from fhir_api.boundary import translated
from fhir_api.errors import ANSWERS, Category, FhirError
from fhir_api.rest.core import Core
from fhir_api.rest.problems import Problem, ProblemPart
from fhir_api.rest.schemas import StudiesUploaded, StudyUploaded
from fhir_api.visibility.conditions import CREATED, UPDATED, visible
from fhir_api.visibility.writing import may_concern, require_may_store
from imaging.archive.errors import NotAllowed, PartError
from imaging.archive.ingest import Archive, ingest
from imaging.archive.inspect import Described, PatientFacts
from imaging.archive.plan import PlannedStudy
from imaging.archive.staging import Part
from imaging.dicomweb.multipart import BodyPart, MediaType, body_parts
from imaging.errors import ImagingError
from store.errors import StoreError

FILES, PATIENT, MODALITY, BODY_PART = "files", "patient", "modality", "bodyPart"
TEXT_FIELDS = (PATIENT, MODALITY, BODY_PART)
TEXT_FIELD_BYTES = 1024
PATIENT_REFERENCE = re.compile(r"Patient/[A-Za-z0-9\-.]{1,64}")

REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILES, PATIENT],
                    "additionalProperties": False,
                    "properties": {
                        FILES: {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "DICOM, NIfTI, JPEG, PNG or TIFF; repeat the field for more",
                        },
                        PATIENT: {
                            "type": "string",
                            "pattern": f"^{PATIENT_REFERENCE.pattern}$",
                            "description": "Reference to a Patient of this server",
                        },
                        MODALITY: {
                            "type": "string",
                            "pattern": "^[A-Z0-9_ ]{1,16}$",
                            "description": "DICOM modality code, for files that do not say it (all but DICOM)",
                        },
                        BODY_PART: {
                            "type": "string",
                            "maxLength": 64,
                            "description": "Body part, for files that do not say it",
                        },
                    },
                }
            }
        },
    }
}


@dataclass(slots=True)
class _Form:
    """The text fields as they have arrived so far."""

    text: dict[str, str] = field(default_factory=dict)


async def upload(core: Core, request: Request, archive: Archive) -> StudiesUploaded:
    """Stores the files and makes or completes the ImagingStudy.

    Raises:
        Problem: what is wrong with the form, a file or the patient; nothing is stored then.
    """
    form = _Form()

    async def subject(_named_in_files: PatientFacts) -> dict[str, Any]:
        return await _subject(core, form)

    def described() -> Described:
        return Described(form.text.get(MODALITY), form.text.get(BODY_PART))

    try:
        require_may_store(core.caller, "ImagingStudy")
        parts = body_parts(request.stream(), _boundary(request))
        done = await ingest(archive, _files(core, parts, form), subject, described)
    except ImagingError as error:
        raise _problem(error) from error
    except StoreError as error:
        refusal = translated(error)
        raise Problem(refusal.status, refusal.text, headers=dict(refusal.headers)) from error
    except FhirError as error:
        raise Problem(error.status, error.text, headers=dict(error.headers)) from error
    studies = [_uploaded(core, study) for study in done.studies]
    return StudiesUploaded(id=studies[0].id, studies=studies)


def _boundary(request: Request) -> str:
    content_type = MediaType.parse(request.headers.get("content-type", ""))
    if content_type.name != "multipart/form-data":
        raise Problem(415, "Send multipart/form-data with the fields files and patient.")
    boundary = content_type.parameters.get("boundary", "")
    if not boundary:
        raise Problem(400, "The Content-Type names no boundary.")
    return boundary


async def _files(core: Core, parts: AsyncIterator[BodyPart], form: _Form) -> AsyncIterator[Part]:
    """The parts named ``files``; text fields are put into ``form`` as they pass.

    Of a caller who may not store for every patient no byte is taken before it is known for whom.
    """
    is_open = not visible(core.api, core.caller, "ImagingStudy", CREATED | UPDATED)
    async for part in parts:
        name = part.disposition.parameters.get("name", "")
        if name == FILES:
            if not is_open:
                await _require_may_concern(core, form)
                is_open = True
            yield Part(part.chunks, content_type=part.content_type.name)
        elif name in TEXT_FIELDS:
            form.text[name] = await _text(name, part)
        else:
            detail = "The form takes the fields files, patient, modality and bodyPart."
            raise Problem(422, detail, [ProblemPart(where="form", message="unknown field")])


async def _text(name: str, part: BodyPart) -> str:
    content = b""
    async for chunk in part.chunks:
        content += chunk
        if len(content) > TEXT_FIELD_BYTES:
            raise Problem(
                422, f"{name} is too long.", [ProblemPart(where=name, message="too long")]
            )
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise Problem(
            422, f"{name} is not UTF-8.", [ProblemPart(where=name, message="not UTF-8")]
        ) from None


async def _require_may_concern(core: Core, form: _Form) -> None:
    if PATIENT not in form.text:
        message = "with this token, the field patient comes before the files"
        raise Problem(
            422, "The form has the wrong order.", [ProblemPart(where=PATIENT, message=message)]
        )
    subject = await _subject(core, form)
    if not any(
        may_concern(core.api, core.caller, "ImagingStudy", letter, subject) for letter in "cu"
    ):
        raise NotAllowed


async def _subject(core: Core, form: _Form) -> dict[str, Any]:
    reference = form.text.get(PATIENT, "")
    if not PATIENT_REFERENCE.fullmatch(reference):
        message = "a reference to a Patient of this server is needed: Patient/<id>"
        raise Problem(
            422, "The form names no patient.", [ProblemPart(where=PATIENT, message=message)]
        )
    try:
        await core.read(reference)
    except Problem as problem:
        if problem.status not in {404, 410}:
            raise
        raise Problem(
            422,
            "The patient does not exist.",
            [ProblemPart(where=PATIENT, message="no such Patient")],
        ) from None
    return {"reference": reference}


def _problem(error: ImagingError) -> Problem:
    status = ANSWERS[Category(error.category)][0]
    sentence = str(error)
    sentence = sentence[:1].upper() + sentence[1:] + ("" if sentence.endswith(".") else ".")
    where = (
        [ProblemPart(where=f"files[{error.index}]", message=str(error.cause))]
        if isinstance(error, PartError)
        else []
    )
    return Problem(status, sentence, where)


def _uploaded(core: Core, study: PlannedStudy) -> StudyUploaded:
    return StudyUploaded(
        id=study.resource["id"],
        study=study.reference,
        url=core.url(study.reference),
        study_instance_uid=study.study_instance_uid,
        created=study.created,
        instances_added=study.new_instances,
        number_of_instances=study.resource.get("numberOfInstances", 0),
    )
