"""SIGKILL of server and worker at random moments under load: nothing lost, nothing doubled.

``make crash`` prints the table. HEALTHVISION_CRASH_TASKS and _KILLS make it longer.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from rich.table import Table

from terminology.analyses import ANALYSIS_SYSTEM, CHEST_XRAY_PNEUMONIA
from tests.crash.ledger import Ledger
from tests.deployment import Deployment, kill_one
from tests.radiographs import small_radiographs

TASKS = int(os.environ.get("HEALTHVISION_CRASH_TASKS", "200"))
KILLS = int(os.environ.get("HEALTHVISION_CRASH_KILLS", "12"))
STUDIES = 4
CLIENTS = 4
IDENTIFIER = "urn:crash-test"
FINAL_S = 900.0
FINAL = {"completed", "failed", "rejected", "cancelled"}

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1500)]


def until_answered(ask: Callable[[], httpx.Response], deadline_s: float) -> httpx.Response:
    """Asks again while the server is down or says 'try again'."""
    while True:
        try:
            answer = ask()
            if answer.status_code != 503:
                return answer
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline_s, "the server did not come back"
        threading.Event().wait(0.05)


def upload(deployment: Deployment, client: httpx.Client, patient: str, file: bytes) -> str:
    answer = client.post(
        f"{deployment.url}/api/v1/studies",
        data={"patient": patient},
        files={"files": ("radiograph.dcm", file, "application/dicom")},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["studies"][0]["study"])


def patient(name: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": name}]}


def task(study: str, subject: str, value: str, chance: random.Random) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "identifier": [{"system": IDENTIFIER, "value": value}],
        "status": "requested",
        "intent": "order",
        "priority": chance.choice(["routine", "routine", "urgent", "stat"]),
        "code": {"coding": [{"system": ANALYSIS_SYSTEM, "code": CHEST_XRAY_PNEUMONIA.code}]},
        "focus": {"reference": study},
        "for": {"reference": subject},
    }


def load(deployment: Deployment, ledger: Ledger, studies: list[tuple[str, str]], seed: int) -> None:
    """One client: creates, updates, transactions and Tasks; a Task is retried until it is acknowledged."""
    chance = random.Random(seed)
    deadline_s = time.monotonic() + FINAL_S
    with deployment.client() as client:
        for number in range(TASKS // CLIENTS):
            name = f"n{seed}x{number}"
            _try_to_write_patients(client, ledger, name)
            study, subject = chance.choice(studies)
            value = f"{seed}-{number}"
            body = task(study, subject, value, chance)
            headers = {
                "If-None-Exist": f"identifier={IDENTIFIER}|{value}",
                "Prefer": "return=representation",
            }
            answer = until_answered(
                lambda body=body, headers=headers: client.post("/Task", json=body, headers=headers),
                deadline_s,
            )
            assert answer.status_code in {200, 201}, answer.text
            ledger.task_ordered(value, answer.json()["id"])


def _try_to_write_patients(client: httpx.Client, ledger: Ledger, name: str) -> None:
    """A create, an update and a transaction; whatever is not acknowledged may or may not be there."""
    representation = {"Prefer": "return=representation"}
    try:
        created = client.post("/Patient", json=patient(name), headers=representation)
        if created.status_code == 201:
            ledger.patient_created(created.json())
            id, tag = created.json()["id"], created.headers["etag"]
            body = {**patient(f"{name}-updated"), "id": id}
            updated = client.put(
                f"/Patient/{id}", json=body, headers={**representation, "If-Match": tag}
            )
            if updated.status_code == 200:
                ledger.patient_updated(updated.json())
        entries = [
            {
                "fullUrl": f"urn:uuid:{uuid.uuid4()}",
                "resource": patient(f"{name}-t{index}"),
                "request": {"method": "POST", "url": "Patient"},
            }
            for index in range(3)
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        done = client.post("", json=bundle)
        if done.status_code == 200:
            ledger.transaction_done(
                [entry["response"]["location"] for entry in done.json()["entry"]]
            )
    except httpx.TransportError:
        return


def kill_at_random(
    deployment: Deployment, loading: threading.Event, chance: random.Random
) -> dict[str, int]:
    """Kills everything, an API process or a worker, until the load has ended and KILLS are done."""
    kills = {"everything": 0, "api process": 0, "worker": 0}
    for _ in range(KILLS):
        threading.Event().wait(chance.uniform(0.5, 4.0))
        what = chance.choice(list(kills))
        if what == "everything":
            deployment.kill()
            deployment.start()
        else:
            for process in deployment.processes("api" if what == "api process" else "worker"):
                kill_one(process)
        kills[what] += 1
        if not loading.is_set() and sum(kills.values()) >= KILLS:
            break
    return kills


def pages(client: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    """Every resource of a search, page by page."""
    link: str | None = url
    while link:
        answer = client.get(link)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        yield from (entry["resource"] for entry in bundle.get("entry", []))
        link = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), None)


def wait_for_final_states(client: httpx.Client, ledger: Ledger) -> dict[str, int]:
    deadline_s = time.monotonic() + FINAL_S
    while True:
        states: dict[str, int] = {}
        for found in pages(client, "/Task?_count=1000&_elements=status"):
            states[found["status"]] = states.get(found["status"], 0) + 1
        if set(states) <= FINAL and sum(states.values()) >= len(ledger.tasks):
            return states
        assert time.monotonic() < deadline_s, f"Tasks without a final state: {states}"
        threading.Event().wait(1.0)


def test_nothing_is_lost_and_nothing_doubled_when_processes_are_killed(tmp_path: Path) -> None:
    """Every acknowledged write is there; every Task reaches one final state; each has exactly one set of results."""
    chance = random.Random(20261123)
    deployment = Deployment(
        tmp_path / "data",
        settings={"HEALTHVISION_LEASE_S": "5", "HEALTHVISION_ATTEMPT_LIMIT": "50"},
    )
    deployment.start()
    ledger, loading = Ledger(), threading.Event()
    try:
        with deployment.client() as client:
            studies = []
            for file in small_radiographs(STUDIES):
                subject = client.post(
                    "/Patient", json=patient("study"), headers={"Prefer": "return=representation"}
                ).json()
                ledger.patient_created(subject)
                reference = f"Patient/{subject['id']}"
                studies.append((upload(deployment, client, reference, file), reference))
        loading.set()
        with ThreadPoolExecutor(CLIENTS + 1) as threads:
            killer = threads.submit(kill_at_random, deployment, loading, chance)
            clients = [
                threads.submit(load, deployment, ledger, studies, seed) for seed in range(CLIENTS)
            ]
            for one in clients:
                one.result()
            loading.clear()
            kills = killer.result()
        deployment.wait_until_ready()
        with deployment.client() as client:
            states = wait_for_final_states(client, ledger)
            verdict = Verdict.of(client, ledger)
            reasons = [
                one.get("statusReason")
                for one in pages(client, "/Task?status=failed,rejected&_count=100")
            ]
    finally:
        deployment.kill()
    verdict.print(kills, states)
    assert verdict.lost == []
    assert verdict.doubled == []
    assert states == {"completed": len(ledger.tasks)}, reasons


class Verdict:
    """What the store holds against what was acknowledged."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, int, int]] = []
        self.lost: list[str] = []
        self.doubled: list[str] = []

    @classmethod
    def of(cls, client: httpx.Client, ledger: Ledger) -> Verdict:
        verdict = cls()
        verdict._row(
            "Patient created",
            list(ledger.created),
            [i for i in ledger.created if not _version_is(client, i, 1, ledger.created[i])],
        )
        verdict._row(
            "Patient updated",
            list(ledger.updated),
            [i for i, (v, n) in ledger.updated.items() if not _version_is(client, i, v, n)],
        )
        flat = [location for bundle in ledger.bundles for location in bundle]
        verdict._row(
            "Created by transaction",
            flat,
            [one for one in flat if client.get(one).status_code != 200],
        )
        verdict._half_transactions(client)
        verdict._tasks(client, ledger)
        return verdict

    def print(self, kills: dict[str, int], states: dict[str, int]) -> None:
        table = Table(
            "what", "acknowledged", "lost", "doubled", title=f"killed: {kills}; Tasks: {states}"
        )
        for what, count, lost, doubled in self.rows:
            table.add_row(what, str(count), str(lost), str(doubled))
        Console().print(table)

    def _row(
        self, what: str, acknowledged: list[str], lost: list[str], doubled: list[str] | None = None
    ) -> None:
        doubled = doubled or []
        self.rows.append((what, len(acknowledged), len(lost), len(doubled)))
        self.lost += [f"{what} {one}" for one in lost]
        self.doubled += [f"{what} {one}" for one in doubled]

    def _half_transactions(self, client: httpx.Client) -> None:
        """Transactions that were not acknowledged are there whole or not at all."""
        found: dict[str, int] = {}
        for one in pages(client, "/Patient?_count=1000&_elements=name"):
            family = one["name"][0]["family"]
            if "-t" in family:
                name = family.rsplit("-t", 1)[0]
                found[name] = found.get(name, 0) + 1
        self._row(
            "Transactions, whole or absent",
            list(found),
            [name for name, count in found.items() if count < 3],
            [name for name, count in found.items() if count > 3],
        )

    def _tasks(self, client: httpx.Client, ledger: Ledger) -> None:
        by_value: dict[str, list[dict[str, Any]]] = {}
        for one in pages(client, "/Task?_count=500"):
            by_value.setdefault(one["identifier"][0]["value"], []).append(one)
        self._row(
            "Task",
            list(ledger.tasks),
            [
                v
                for v, id in ledger.tasks.items()
                if id not in {t["id"] for t in by_value.get(v, [])}
            ],
            [v for v, tasks in by_value.items() if len(tasks) > 1],
        )
        done = [t for tasks in by_value.values() for t in tasks if t["status"] == "completed"]
        twice = [t["id"] for t in done if _times_completed(client, t["id"]) != 1]
        self._row("Task completed once", [t["id"] for t in done], [], twice)
        for type in ("DiagnosticReport", "Observation", "Provenance", "Media", "Binary"):
            wanted = {reference for t in done for reference in _results(client, t, type)}
            stored = (
                {f"{type}/{one['id']}" for one in pages(client, f"/{type}?_count=500&_elements=id")}
                if type != "Binary"
                else wanted
            )
            missing = [one for one in wanted if client.get(f"/{one}").status_code != 200]
            self._row(f"{type} of a Task", sorted(wanted), missing, sorted(stored - wanted))


def _version_is(client: httpx.Client, id: str, version: int, family: str) -> bool:
    answer = client.get(f"/Patient/{id}/_history/{version}")
    return answer.status_code == 200 and answer.json()["name"][0]["family"] == family


def _times_completed(client: httpx.Client, id: str) -> int:
    history = client.get(f"/Task/{id}/_history?_count=200").json()
    return sum(
        entry["resource"]["status"] == "completed"
        for entry in history["entry"]
        if "resource" in entry
    )


def _results(client: httpx.Client, task: dict[str, Any], type: str) -> list[str]:
    """References of one type that hang on a completed Task: its outputs, and what the report names."""
    references = [
        output["valueReference"]["reference"]
        for output in task.get("output", [])
        if "valueReference" in output
    ]
    report = next((one for one in references if one.startswith("DiagnosticReport/")), None)
    if report is None:
        return [one for one in references if one.startswith(f"{type}/")]
    content = client.get(f"/{report}").json()
    references += [one["reference"] for one in content.get("result", [])]
    media = [one["link"]["reference"] for one in content.get("media", [])]
    references += media
    references += [form["url"] for form in content.get("presentedForm", [])]
    if type == "Binary":
        references += [client.get(f"/{one}").json()["content"]["url"] for one in media]
    provenance = client.get(f"/Provenance?target={report}").json()
    references += [f"Provenance/{entry['resource']['id']}" for entry in provenance.get("entry", [])]
    return list(dict.fromkeys(one for one in references if one.startswith(f"{type}/")))
