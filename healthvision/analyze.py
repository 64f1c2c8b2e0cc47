"""``healthvision analyze``: files in, findings out, without a server. Nothing leaves this process."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from healthvision.settings import EngineChoice, Settings
from imaging.errors import ImageError
from imaging.formats import read
from inference.engines import EngineName
from inference.engines.errors import EngineError
from inference.errors import InferenceError, Unsuitable
from inference.models.errors import ModelError
from inference.models.registry import InstalledModel, installed_model, installed_models
from inference.results.bundle import resources
from inference.results.case import Case, Explanation, Result
from inference.workflow.reading import OutOfScope, Reader, Reading


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one file: a reading, or the reason why there is none."""

    file: Path
    result: Result | None = None
    refusal: str | None = None
    code: str | None = None


def analyze(
    settings: Settings,
    files: Sequence[Path],
    *,
    out: Path | None,
    model: str | None,
    as_json: bool,
    console: Console,
) -> int:
    """Analyses the files. Answers 0 when every one got an answer, 1 otherwise."""
    try:
        installed = installed_model(model) if model else _only(installed_models())
        engine = None if settings.engine is EngineChoice.AUTO else EngineName(settings.engine)
        with Reader(
            installed, engine=engine, out_of_scope=OutOfScope(settings.out_of_scope)
        ) as reader:
            answers = [_answer(reader, file) for file in _shown(files, console, quiet=as_json)]
    except (ModelError, EngineError) as error:
        typer.echo(str(error), err=True)
        return 1
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for number, answer in enumerate(answers):
            _save(answer, out, _name(answer.file, number, files))
    if as_json:
        typer.echo(json.dumps([_row(answer) for answer in answers], indent=2))
    else:
        _print(answers, out, console)
    return 0 if all(answer.result for answer in answers) else 1


def _only(models: Sequence[InstalledModel]) -> InstalledModel:
    if len(models) != 1:
        raise ModelError("name a model: healthvision models list shows them")
    return models[0]


def _shown(files: Sequence[Path], console: Console, *, quiet: bool) -> Iterable[Path]:
    """The files, with a progress bar where there are several and somebody looks."""
    if quiet or len(files) < 2 or not console.is_terminal:
        return files
    return track(files, description="Analysing", console=console, transient=True)


def _answer(reader: Reader, file: Path) -> Answer:
    started = datetime.now(UTC)
    try:
        content = file.read_bytes()
        reading = reader.read(read(content))
    except OSError as error:
        return Answer(
            file, refusal=f"The file cannot be read: {error.strerror}.", code="unreadable-file"
        )
    except ImageError as error:
        return Answer(file, refusal=f"{str(error)[:1].upper()}{str(error)[1:]}.", code=error.code)
    except Unsuitable as error:
        return Answer(file, refusal=error.text, code=error.code)
    except InferenceError as error:
        return Answer(file, refusal=str(error), code=error.category)
    explanation = reader.explain(reading)
    return Answer(file, _result(reader, reading, explanation, content, started))


def _result(
    reader: Reader, reading: Reading, explanation: Explanation, content: bytes, started: datetime
) -> Result:
    digest = hashlib.sha256(content).hexdigest()
    case = Case(
        task=f"file-{digest[:40]}",
        patient=None,
        source=f"Media/file-{digest[:40]}",
        study_instance_uid=None,
        sop_instance_uid=None,
        study_started=None,
    )
    return Result(
        case=case,
        model=reader.model,
        findings=reading.findings,
        explanation=explanation,
        started=started,
        finished=datetime.now(UTC),
        cautions=reading.cautions,
        software=f"HealthVision {version('healthvision')}",
        notes=(f"sha256 of the file: {digest}",),
    )


def _name(file: Path, number: int, files: Sequence[Path]) -> str:
    """The file's name without its ending, made unlike the others' where two are alike."""
    alike = sum(other.stem == file.stem for other in files) > 1
    return f"{file.stem}-{number + 1}" if alike else file.stem


def _save(answer: Answer, folder: Path, name: str) -> None:
    """Writes ``name.report.json`` (a Bundle, the DiagnosticReport first), the heat map and the HTML report."""
    if answer.result is None:
        return
    outputs = resources(answer.result)
    entries = [{"resource": output} for output in outputs]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    report = msgspec.json.format(msgspec.json.encode(bundle), indent=2)
    (folder / f"{name}.report.json").write_bytes(report)
    (folder / f"{name}.heatmap.png").write_bytes(answer.result.explanation.overlay_picture().png)
    html = next(one for one in outputs if one.get("contentType", "").startswith("text/html"))
    (folder / f"{name}.report.html").write_bytes(base64.b64decode(html["data"]))


def _row(answer: Answer) -> dict[str, Any]:
    if answer.result is None:
        return {"file": str(answer.file), "code": answer.code, "refusal": answer.refusal}
    return {
        "file": str(answer.file),
        "model": answer.result.model.device,
        "findings": [
            {
                "finding": finding.what.display,
                "detected": finding.detected,
                "probability": finding.probability,
                "threshold": finding.threshold,
            }
            for finding in answer.result.findings
        ],
        "cautions": [caution.text for caution in answer.result.cautions],
    }


def _print(answers: Sequence[Answer], out: Path | None, console: Console) -> None:
    table = Table("File", "Finding", "Answer", "Probability", "Threshold")
    for answer in answers:
        if answer.result is None:
            table.add_row(answer.file.name, "", f"[red]no answer[/red]: {answer.refusal}", "", "")
            continue
        for finding in answer.result.findings:
            table.add_row(
                answer.file.name,
                finding.what.display,
                "detected" if finding.detected else "not detected",
                f"{finding.probability:.1%}",
                f"{finding.threshold:.1%}",
            )
    console.print(table)
    for text in dict.fromkeys(c.text for a in answers if a.result for c in a.result.cautions):
        console.print(f"[yellow]{text}[/yellow]")
    if any(answer.result for answer in answers):
        console.print("AI output. No person has reviewed it.")
        if out is not None:
            console.print(f"Reports and heat maps are in {out}.")
