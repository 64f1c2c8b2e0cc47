"""A job as the store keeps it: who asked for what, and what came of it."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from fhir_api.access import Caller
from fhir_api.http import Headers, Request
from fhir_api.jobs.running import JOB_TYPE
from fhir_api.smart.scopes import resource_scopes
from store.entries import TokenEntry
from store.interface import QueueChange, Version, Write

TOPIC = "job"
KEPT_HEADERS = ("accept", "content-type", "prefer")


class State(StrEnum):
    OPEN = "open"
    """Waiting for a process, or under way in one."""
    DONE = "done"
    """Its answer is there, whatever it says."""
    LOST = "lost"
    """Begun as often as is allowed, and never ended."""


class Owner(msgspec.Struct, frozen=True):
    """A Caller as it is kept, but for the token that proved it: a fresh one of the same grants is as good."""

    id: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None
    user: str
    subject: str
    patient: str
    encounter: str
    purpose: str

    @classmethod
    def of(cls, caller: Caller) -> Owner:
        scopes = None if caller.scopes is None else tuple(sorted(map(str, caller.scopes)))
        return cls(
            caller.id,
            tuple(sorted(caller.roles)),
            scopes,
            caller.user,
            caller.subject,
            caller.patient,
            caller.encounter,
            caller.purpose,
        )

    @property
    def key(self) -> str:
        """By which its jobs are counted; it tells nothing of a patient."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def caller(self) -> Caller:
        return Caller(
            id=self.id,
            roles=frozenset(self.roles),
            scopes=None if self.scopes is None else resource_scopes(" ".join(self.scopes)),
            user=self.user,
            subject=self.subject,
            patient=self.patient,
            encounter=self.encounter,
            purpose=self.purpose,
        )


NOBODYS = Owner("", (), (), "", "", "", "", "")
"""Of a job that an older version of this software kept: it may nothing, and nobody is answered."""


class Job(msgspec.Struct, frozen=True):
    """What was asked, by whom, and the answer once it is there."""

    method: str
    path: tuple[str, ...]
    query: str
    headers: dict[str, str]
    base_url: str
    request_id: str
    created_us: int
    owner: Owner = NOBODYS
    state: State = State.OPEN
    body: str | None = None
    """sha256 of the request's body."""
    checkpoint: str = ""
    """Of the last attempt that ended without an answer."""
    status: int = 0
    """Of the answer, which ``answer`` is the sha256 of and ``answer_headers`` go with."""
    answer_headers: Headers = ()
    answer: str | None = None

    def request(self, body: bytes) -> Request:
        """The request as it came."""
        return Request(
            self.method,
            self.path,
            self.query,
            self.headers,
            body,
            self.owner.caller(),
            self.base_url,
            self.request_id,
        )


def job_of(request: Request, body: str | None, now_us: int) -> Job:
    """The job that a request becomes; ``body`` is the sha256 of its body, where it has one."""
    return Job(
        owner=Owner.of(request.caller),
        method=request.method,
        path=request.path,
        query=request.query,
        headers={name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
        base_url=request.base_url,
        request_id=request.id,
        created_us=now_us,
        body=body,
    )


def read_job(version: Version) -> Job:
    return msgspec.json.decode(version.content, type=Job)


def job_write(
    job: Job, id: str, current: Version | None, now_us: int, queue: QueueChange | None
) -> Write:
    """The job's next version."""
    version = current.version if current else 0
    return Write(
        type=JOB_TYPE,
        id=id,
        version=version + 1,
        expected_version=version,
        last_updated_us=max(now_us, current.last_updated_us + 1 if current else 0),
        method="PUT" if current else "POST",
        content=msgspec.json.encode(job),
        entries=(TokenEntry("state", None, job.state), TokenEntry("caller", None, job.owner.key)),
        blobs=tuple({sha256 for sha256 in (job.body, job.answer) if sha256}),
        queue=queue,
        keep_history=False,
    )


def job_removal(id: str, current: Version, now_us: int) -> Write:
    """The write after which there is no such job; its blobs go with the next sweep."""
    return Write(
        type=JOB_TYPE,
        id=id,
        version=current.version + 1,
        expected_version=current.version,
        last_updated_us=max(now_us, current.last_updated_us + 1),
        method="DELETE",
        content=b"",
        keep_history=False,
    )
