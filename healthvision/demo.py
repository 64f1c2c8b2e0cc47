"""``healthvision demo``: what an EHR does, from an empty server to a report, on a real chest radiograph."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from fhir_api.rest.analyses import AI_CONFIDENCE
from fhir_api.tasks.progress import PERCENT_URL
from healthvision import serve
from healthvision.authentication import ReportLinks
from healthvision.keys import deployment_key, derived
from healthvision.settings import Settings
from healthvision.supervisor import Supervisor
from terminology.analyses import ANALYSIS_SYSTEM, CHEST_XRAY_PNEUMONIA

RADIOGRAPH = "RG1_J2KI.dcm"
"""Of PyPI's pydicom-data: CR, chest, MONOCHROME1, JPEG 2000 lossy, an adult's."""
PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:healthvision:demo", "value": "demo-patient"}],
    "name": [{"use": "official", "family": "Demo", "given": ["Robin"]}],
    "gender": "unknown",
}
READY_S = 60.0
REPORT_S = 300.0
FINISHED = frozenset({"completed", "failed", "rejected", "cancelled"})


class DemoFailure(Exception):
    """The demo did not end in a report. The message says at which step and why."""


def demo(settings: Settings, *, keep_serving: bool) -> int:
    """Runs the demo. Answers 0 only when the report is there."""
    console = Console()
    supervisor = Supervisor(
        environment={}, report=lambda line: console.print(f"[yellow]{line}[/yellow]")
    )
    supervisor.handle_signals()
    if "log_level" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_level": "warning"})  # a story, not a log
    try:
        running = serve.start(settings, supervisor, api_processes=1, with_worker=True)
    except OSError as error:
        console.print(
            f"[red]Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set HEALTHVISION_PORT.[/red]"
        )
        return 2
    watcher = threading.Thread(target=supervisor.run)
    watcher.start()
    try:
        _tell_the_story(running, console, supervisor)
        if keep_serving:
            console.print("\nStill serving. Ctrl-C ends it.")
            watcher.join()
    except (DemoFailure, httpx.HTTPError) as error:
        console.print(f"[red]The demo failed: {error}[/red]", highlight=False)
        return 1
    finally:
        supervisor.stop()
        watcher.join()
    return 0


def _tell_the_story(settings: Settings, console: Console, supervisor: Supervisor) -> None:
    with console.status("Starting server and worker …"):
        if not serve.wait_until_ready(settings, READY_S):
            raise DemoFailure(f"the server was not ready within {READY_S:g} s")
    base = f"{serve.local_url(settings)}/fhir"
    console.print(
        f"Server: [bold]{settings.public_url}/fhir[/bold]   REST and its documentation: {settings.public_url}/docs",
        soft_wrap=True,
    )
    console.print(f"Token:  {settings.token}", highlight=False, soft_wrap=True)
    headers = {"Authorization": f"Bearer {settings.token}"}
    with httpx.Client(base_url=base, headers=headers, timeout=30.0, trust_env=False) as ehr:
        patient = _post(ehr, PATIENT, if_none_exist="identifier=urn:healthvision:demo|demo-patient")
        study = _study(
            ehr, _upload(ehr, settings, f"Patient/{patient['id']}"), f"Patient/{patient['id']}"
        )
        console.print(
            f"Patient/{patient['id']} and {study} are there; the EHR posts a Task.", highlight=False
        )
        task = _post(ehr, _task(study, f"Patient/{patient['id']}"))
        task = _follow(ehr, task, console, supervisor)
        if task["status"] != "completed":
            reason = task.get("statusReason", {}).get("text", "no reason given")
            raise DemoFailure(f"Task/{task['id']} ended {task['status']}: {reason}")
        _print_report(ehr, task, settings, console)


def _task(study: str, patient: str) -> dict[str, Any]:
    coding = {
        "system": ANALYSIS_SYSTEM,
        "code": CHEST_XRAY_PNEUMONIA.code,
        "display": CHEST_XRAY_PNEUMONIA.display,
    }
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": "stat",
        "code": {"coding": [coding]},
        "focus": {"reference": study},
        "for": {"reference": patient},
    }


def _post(
    ehr: httpx.Client, resource: dict[str, Any], *, if_none_exist: str | None = None
) -> dict[str, Any]:
    headers = {"Content-Type": "application/fhir+json", "Prefer": "return=representation"}
    if if_none_exist:
        headers["If-None-Exist"] = if_none_exist
    return _json(ehr.post(f"/{resource['resourceType']}", json=resource, headers=headers))


def _study(ehr: httpx.Client, study_instance_uid: str, patient: str) -> str:
    """Posts the EHR's ImagingStudy; the upload has made one of that UID, so the conditional create finds it."""
    uid = f"urn:oid:{study_instance_uid}"
    resource = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": uid}],
        "subject": {"reference": patient},
    }
    stored = _post(ehr, resource, if_none_exist=f"identifier=urn:dicom:uid|{uid}")
    return f"ImagingStudy/{stored['id']}"


def _upload(ehr: httpx.Client, settings: Settings, patient: str) -> str:
    """Sends the radiograph; answers its Study Instance UID."""
    path = get_testdata_file(RADIOGRAPH, download=False)
    if path is None:
        raise DemoFailure(f"{RADIOGRAPH} of the package pydicom-data is not installed")
    with Path(str(path)).open("rb") as file:
        answer = ehr.post(
            f"{serve.local_url(settings)}/api/v1/studies",
            data={"patient": patient},
            files={"files": (RADIOGRAPH, file, "application/dicom")},
        )
    return str(_json(answer)["studies"][0]["study_instance_uid"])


def _follow(
    ehr: httpx.Client, task: dict[str, Any], console: Console, supervisor: Supervisor
) -> dict[str, Any]:
    """Polls the Task until it is finished, showing stage and percent."""
    deadline_s = time.monotonic() + REPORT_S
    with _bar(console) as show:
        while task["status"] not in FINISHED:
            if time.monotonic() > deadline_s:
                raise DemoFailure(f"Task/{task['id']} was not finished within {REPORT_S:g} s")
            if supervisor.stopping.wait(0.2):
                raise DemoFailure("stopped")
            task = _json(ehr.get(f"/Task/{task['id']}"))
            show(task)
    return task


@contextmanager
def _bar(console: Console) -> Iterator[Any]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("requested", total=100)

        def show(task: dict[str, Any]) -> None:
            stage = task.get("businessStatus", {})
            percent = next(
                (e["valueInteger"] for e in stage.get("extension", []) if e["url"] == PERCENT_URL),
                0,
            )
            text = stage.get("text", "")
            progress.update(bar, description=f"{task['status']}  {text}", completed=percent)

        yield show


def _print_report(
    ehr: httpx.Client, task: dict[str, Any], settings: Settings, console: Console
) -> None:
    references = [
        output["valueReference"]["reference"]
        for output in task["output"]
        if "valueReference" in output
    ]
    report_reference = next(one for one in references if one.startswith("DiagnosticReport/"))
    report = _json(ehr.get(f"/{report_reference}"))
    table = Table(
        "Finding",
        "Answer",
        "Probability",
        title=f"{_words(report['code'])} — {report['status']}, by AI",
    )
    notes: dict[str, None] = {}
    for result in report["result"]:
        observation = _json(ehr.get(f"/{result['reference']}"))
        probability = next(
            e["valueDecimal"] for e in observation["extension"] if e["url"] == AI_CONFIDENCE
        )
        table.add_row(
            _words(observation["code"]),
            _words(observation["valueCodeableConcept"]),
            f"{probability:.1%}",
        )
        notes.update(dict.fromkeys(note["text"] for note in observation.get("note", [])))
    console.print(table)
    for note in notes:
        console.print(f"[yellow]{note}[/yellow]")
    console.print(report["conclusion"])
    links = ReportLinks(derived(deployment_key(settings.data_dir), "report links"))
    page = f"{settings.public_url}/reports/{report['id']}?{links.sign(report['id'])}"
    console.print("\nThe report as a page (the link is good for 12 hours):")
    console.print(page, soft_wrap=True, highlight=False)
    console.print("The same as FHIR:")
    command = f"curl -H 'Authorization: Bearer {settings.token}' '{settings.public_url}/fhir/{report_reference}?_pretty=true'"
    console.print(command, soft_wrap=True, highlight=False, markup=False)


def _words(concept: dict[str, Any]) -> str:
    coding = concept.get("coding", [{}])[0]
    return str(concept.get("text") or coding.get("display") or coding.get("code", ""))


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        return dict(answer.json())
    issues = (
        answer.json().get("issue", []) if "json" in answer.headers.get("content-type", "") else []
    )
    reasons = (
        "; ".join(issue.get("details", {}).get("text", issue["code"]) for issue in issues)
        or answer.text[:300]
    )
    raise DemoFailure(
        f"{answer.request.method} {answer.request.url.path} was answered {answer.status_code}: {reasons}"
    )
