"""What ``/api/v1`` takes and answers. Codes are FHIR's (``Task.status``, ``Task.priority``)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

StudyReference = Annotated[
    str,
    StringConstraints(pattern=r"^ImagingStudy/[A-Za-z0-9\-\.]{1,64}$"),
    Field(description="Reference to the study", examples=["ImagingStudy/8f1c"]),
]
PatientReference = Annotated[
    str,
    StringConstraints(pattern=r"^Patient/[A-Za-z0-9\-\.]{1,64}$"),
    Field(description="Reference to the patient", examples=["Patient/123"]),
]
AnalysisCode = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9\-]{1,64}$"),
    Field(
        description="Code of the analysis; left out, the one that fits the study",
        examples=["chest-xray-pneumonia"],
    ),
]


class Priority(StrEnum):
    """``Task.priority`` (https://hl7.org/fhir/R4/valueset-request-priority.html)."""

    ROUTINE = "routine"
    URGENT = "urgent"
    ASAP = "asap"
    STAT = "stat"


class StudyUploaded(BaseModel):
    """A study that now holds the files of the upload."""

    id: str = Field(description="Id of the ImagingStudy")
    study: str = Field(description="Reference: ImagingStudy/<id>")
    url: str = Field(description="FHIR URL of the ImagingStudy")
    study_instance_uid: str
    created: bool = Field(description="False: files were added to a study that was there")
    instances_added: int = Field(
        description="Instances new to the archive; files it already had do not count"
    )
    number_of_instances: int = Field(description="Instances of the study in all")


class StudiesUploaded(BaseModel):
    """The studies of one upload; most uploads hold one."""

    id: str = Field(description="Id of the first ImagingStudy")
    studies: list[StudyUploaded]


class AnalysisOrder(BaseModel):
    """One analysis to be done."""

    model_config = ConfigDict(extra="forbid")

    study: StudyReference
    analysis: AnalysisCode | None = None
    priority: Priority = Priority.ROUTINE


class Finding(BaseModel):
    """One finding of a report, as its Observation says it."""

    observation: str = Field(description="FHIR URL of the Observation")
    name: str
    presence: str | None = Field(None, description="Display of Observation.value")
    probability: float | None = Field(None, ge=0, le=1, description="Calibrated probability")
    notes: list[str] = Field(default_factory=list, description="Cautions that go with the finding")


class AnalysisReport(BaseModel):
    """The preliminary report of an analysis."""

    url: str = Field(description="FHIR URL of the DiagnosticReport")
    html: str = Field(description="URL of the report as a page")
    status: str = Field(description="DiagnosticReport.status; preliminary until a person signs")
    conclusion: str | None = None
    findings: list[Finding]


class Analysis(BaseModel):
    """An analysis: its Task, how far it is, and its report once there is one."""

    id: str = Field(description="Id of the Task")
    task: str = Field(description="FHIR URL of the Task")
    study: str
    priority: Priority
    status: str = Field(description="Task.status", examples=["in-progress"])
    status_reason: str | None = Field(None, description="Why it failed, was rejected or waits")
    stage: str | None = Field(None, description="What the worker does now")
    percent: float | None = Field(None, ge=0, le=100)
    authored_on: datetime | None = None
    last_updated: datetime
    report: AnalysisReport | None = None


class BatchOrder(BaseModel):
    """Many analyses at once: all are accepted or none is."""

    model_config = ConfigDict(extra="forbid")

    analyses: list[AnalysisOrder] = Field(min_length=1, max_length=500)


class Batch(BaseModel):
    """The analyses of a batch and their common progress."""

    id: str
    total: int
    finished: int = Field(description="Completed, failed, rejected or cancelled")
    percent: float = Field(ge=0, le=100)
    by_status: dict[str, int] = Field(description="How many analyses are in which Task.status")
    analyses: list[str] = Field(description="Ids for GET /api/v1/analyses/{id}")


class Model(BaseModel):
    """A model that workers have announced, as its Device says it."""

    id: str = Field(description="Id of the Device")
    url: str = Field(description="FHIR URL of the Device")
    name: str
    version: str | None = None
    status: str | None = None
    weights_sha256: str | None = None
    model_card: str | None = Field(None, description="FHIR URL of the model card DocumentReference")


class Models(BaseModel):
    """The models."""

    models: list[Model]
