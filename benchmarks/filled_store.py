"""A store with a hospital's share of resources, made fast: real extraction and real commits, without HTTP.

What is stored is fhirload's data set (per patient 20 Observations, 2 ImagingStudies, 2 Tasks), with birth dates, times
and values that differ. Each kind of resource is validated once, not each resource.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from fhir_api.access import OURSELVES
from fhir_api.api import Api, utc_now_us
from fhir_api.interactions.write import Draft, build_write, checked, new_id
from fhir_api.validation import Validator
from store.interface import Commit, Write
from store.sqlite import SqliteStore

PER_PATIENT = 25
OBSERVATIONS = 20
PATIENTS_A_COMMIT = 20
TAG = "scale"


@dataclass(frozen=True, slots=True)
class Patient:
    """What fhirload remembers of one it has loaded."""

    id: str
    number: str
    name: str
    studies: tuple[str, str]

    def remembered(self) -> dict[str, Any]:
        """As fhirload's ``Load.patients`` holds it."""
        return {
            "id": self.id,
            "h": self.number,
            "n": self.name,
            "obs": OBSERVATIONS,
            "studies": list(self.studies),
        }


def fhirload(path: Path) -> ModuleType:
    """The load program as a module."""
    spec = importlib.util.spec_from_file_location("fhirload", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fhirload"] = module
    spec.loader.exec_module(module)
    return module


async def fill(data_dir: Path, program: Path, resources: int) -> list[Patient]:
    """Stores so many resources in ``data_dir`` (once: a filled one is left as it is); answers whom they belong to."""
    known = data_dir / "patients.json"
    if known.exists():
        return [Patient(*row) for row in json.loads(known.read_text())]
    store = SqliteStore.open(data_dir)
    try:
        api = Api(store, Validator())
        patients = await _fill(api, fhirload(program).Maker(TAG), resources // PER_PATIENT)
    finally:
        await store.close()
    known.write_text(json.dumps([(p.id, p.number, p.name, p.studies) for p in patients]))
    return patients


async def _fill(api: Api, maker: Any, count: int) -> list[Patient]:  # noqa: ANN401 - fhirload's
    patients: list[Patient] = []
    validated: set[str] = set()
    writes: list[Write] = []
    for number in range(count):
        patient = Patient(
            new_id(utc_now_us()),
            f"{number + 1:012d}",
            f"Pre{number:05d}",
            (new_id(utc_now_us()), new_id(utc_now_us())),
        )
        for type, id, text in _resources(maker, patient, number):
            body = text.encode()
            tree = orjson.loads(body)
            if type not in validated:
                checked(api, type, tree, body)
                validated.add(type)
            draft = Draft(type, tree, body)
            writes.append(await build_write(api, draft, id, None, "POST", by=OURSELVES))
        patients.append(patient)
        if len(patients) % PATIENTS_A_COMMIT == 0 or number == count - 1:
            await api.store.commit(Commit(writes=tuple(writes)))
            writes.clear()
    return patients


def _resources(maker: Any, patient: Patient, number: int) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401
    """Type, id and JSON of all that belongs to a patient."""
    subject = f"Patient/{patient.id}"
    born = (dt.date(1930, 1, 1) + dt.timedelta(days=number * 7_919 % 33_000)).isoformat()
    text = maker.make("Patient", name=patient.name, number=int(patient.number))[1]
    yield "Patient", patient.id, text.replace("1974-12-25", born)
    for at in range(OBSERVATIONS):
        unique = number * PER_PATIENT + at
        seen = dt.datetime(2016, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
            minutes=unique * 1_000_003 % 5_400_000
        )
        text = maker.make("Observation", patient=subject)[1]
        text = text.replace("2026-03-02T09:30:10+01:00", seen.isoformat())
        text = text.replace(":107,", f":{80 + unique % 97},").replace(
            ":60,", f":{40 + unique % 71},"
        )
        yield "Observation", new_id(utc_now_us()), text
    for study in patient.studies:
        yield "ImagingStudy", study, maker.make("ImagingStudy", patient=subject)[1]
        task = maker.make("Task", patient=subject, study=f"ImagingStudy/{study}")[1]
        yield "Task", new_id(utc_now_us()), task
