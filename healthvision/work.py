"""``healthvision worker``: one inference worker until SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from importlib.metadata import version

import httpx
import typer
import uvloop

from healthvision import logs
from healthvision.settings import EngineChoice, Settings
from healthvision.supervisor import end_with_parent
from inference.credential import BearerToken, KeyPair
from inference.engines import EngineName
from inference.engines.errors import EngineError
from inference.errors import NotAllowed
from inference.models.errors import ModelError
from inference.models.registry import InstalledModel, installed_models
from inference.worker import WorkerOptions, run_worker
from inference.workflow.reading import OutOfScope


def work(settings: Settings, url: str | None, *, supervised: bool) -> int:
    """Works until a signal. Answers 0 then, 1 where the worker cannot work at all."""
    if supervised:
        end_with_parent()
    logs.configure(settings.log_level, process="worker")
    engine = None if settings.engine is EngineChoice.AUTO else EngineName(settings.engine)
    base_url = url or f"{settings.public_url}/fhir"
    options = WorkerOptions(
        base_url=base_url,
        credential=credential_of(settings, base_url, supervised=supervised),
        software=f"HealthVision {version('healthvision')}",
        engine=engine,
        out_of_scope=OutOfScope(settings.out_of_scope),
        lease_s=int(settings.lease_s),
    )
    try:
        (model,) = installed_models()
        # What is loaded stays. To look through it for garbage would take 70 ms of some Task's time.
        gc.collect()
        gc.freeze()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(options, model))
    except (NotAllowed, ModelError, EngineError) as error:
        typer.echo(f"The worker cannot work: {error}", err=True)
        return 1
    return 0


def credential_of(settings: Settings, base_url: str, *, supervised: bool) -> httpx.Auth:
    """The key where one is set. The worker that ``serve`` starts beside itself has the deployment's own token."""
    if settings.worker_key_file is None or supervised:
        return BearerToken(settings.worker_token)
    return KeyPair(base_url, settings.worker_client_id, settings.worker_key_file)


async def _run(options: WorkerOptions, model: InstalledModel) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_worker(options, model, stop)
