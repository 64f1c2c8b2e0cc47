"""``healthvision audit``: whether the audit is what it was, and the proof that an event is part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from audit.errors import ChainInvalid
from audit.proof import Proof, holds, proof_of
from audit.signing import PUBLIC_FILE, Signed
from audit.verify import Verdict, verify
from healthvision.audit import audit_store, checkpoint_file, folder_of
from healthvision.settings import Settings
from store.errors import StoreError


def verify_audit(
    settings: Settings,
    console: Console,
    checkpoints: Path | None,
    key: str | None,
    *,
    as_json: bool,
) -> int:
    """Looks at all of it. Answers 0 where it is whole, 1 where it is not, 2 where it cannot be looked at."""
    if not (folder_of(settings) / "store").is_dir():
        typer.echo(f"{folder_of(settings)}: there is no audit.", err=True)
        return 2
    try:
        public = key or (folder_of(settings) / PUBLIC_FILE).read_text().strip()
        elsewhere = _checkpoints(checkpoints or checkpoint_file(settings))
        verdict = asyncio.run(_verdict(settings, public, elsewhere))
    except (OSError, StoreError, msgspec.MsgspecError) as error:
        typer.echo(f"The audit cannot be looked at: {type(error).__name__}.", err=True)
        return 2
    if as_json:
        typer.echo(msgspec.json.encode(verdict).decode())
    else:
        _print(verdict, console)
    return 1 if verdict.findings else 0


def prove_event(settings: Settings, id: str) -> int:
    """Prints the proof of an event. Answers 1 where there is none."""
    try:
        proof = asyncio.run(_proof(settings, id))
    except (ChainInvalid, StoreError) as error:
        typer.echo(str(error), err=True)
        return 1
    typer.echo(msgspec.json.encode(proof).decode())
    return 0


def verify_proof(settings: Settings, file: Path, key: str | None) -> int:
    """Answers 0 where the proof holds, 1 where not, 2 where it is none."""
    try:
        public = key or (folder_of(settings) / PUBLIC_FILE).read_text().strip()
        proof = msgspec.json.decode(file.read_bytes(), type=Proof)
    except (OSError, msgspec.MsgspecError) as error:
        typer.echo(f"That is no proof that can be looked at: {type(error).__name__}.", err=True)
        return 2
    if not holds(proof, public):
        typer.echo("It proves nothing: the event, its place or the signature is another.")
        return 1
    typer.echo(f"AuditEvent {proof.id} was part of the audit when the checkpoint was signed.")
    return 0


async def _verdict(settings: Settings, key: str, elsewhere: Sequence[Signed]) -> Verdict:
    store = audit_store(settings)
    try:
        return await verify(store, key, elsewhere)
    finally:
        await store.close()


async def _proof(settings: Settings, id: str) -> Proof:
    store = audit_store(settings)
    try:
        return await proof_of(store, id)
    finally:
        await store.close()


def _checkpoints(file: Path) -> list[Signed]:
    if not file.is_file():
        return []
    return [msgspec.json.decode(line, type=Signed) for line in file.read_bytes().splitlines()]


def _print(verdict: Verdict, console: Console) -> None:
    counts = f"{verdict.events} events, {verdict.expired} expired, {verdict.blocks} blocks"
    if not verdict.findings:
        console.print(f"The audit is whole: {counts}, {verdict.checkpoints} checkpoints.")
        return
    table = Table("Fault", "What", "Why", title=f"The audit was tampered with: {counts}")
    for finding in verdict.findings:
        table.add_row(finding.fault, finding.what, finding.text)
    console.print(table)
