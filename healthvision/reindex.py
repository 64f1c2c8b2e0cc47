"""``healthvision reindex``: asks a running server to index what an older one, or an older definition, left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence

import httpx
from rich.console import Console

from healthvision.settings import Settings

LONGEST_WAIT_S = 5.0


def reindex(settings: Settings, types: Sequence[str], console: Console, errors: Console) -> int:
    """Starts it and shows how far it is until it is done; the server goes on where this is stopped.

    Returns:
        The exit code: 0 done, 1 refused or not to be reached.
    """
    headers = {"Authorization": f"Bearer {settings.token}"}
    base = f"{settings.public_url}/fhir"
    try:
        with httpx.Client(headers=headers, timeout=30.0, trust_env=False) as client:
            asked = client.post(
                f"{base}/$reindex", params=[("type", type) for type in types], json=_EMPTY
            )
            if asked.status_code != 202:
                return _refused(asked, errors)
            answer = _followed(client, asked.headers["content-location"], console)
    except httpx.HTTPError as error:
        errors.print(
            f"[red]{base} cannot be reached: {type(error).__name__}.[/red]", highlight=False
        )
        return 1
    if answer.status_code != 200:
        return _refused(answer, errors)
    (entry,) = answer.json()["entry"]
    count = entry["resource"]["parameter"][0]["valueInteger"]
    console.print(f"{count} resources indexed again.", highlight=False)
    return 0


_EMPTY = {"resourceType": "Parameters"}


def _followed(client: httpx.Client, url: str, console: Console) -> httpx.Response:
    """The job's answer."""
    with console.status("Waiting") as status:
        while (answer := client.get(url)).status_code == 202:
            status.update(answer.headers.get("x-progress", "under way"))
            time.sleep(min(float(answer.headers.get("retry-after", 1)), LONGEST_WAIT_S))
    return answer


def _refused(answer: httpx.Response, errors: Console) -> int:
    try:
        text = answer.json()["issue"][0]["details"]["text"]
    except (ValueError, KeyError, IndexError):
        text = f"The server answered {answer.status_code}."
    errors.print(f"[red]{text}[/red]", highlight=False)
    return 1
