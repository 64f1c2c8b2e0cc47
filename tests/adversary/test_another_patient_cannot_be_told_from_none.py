"""Whoever may not see a patient gets, whatever they ask, the very answer of a server that has no such patient.

``ATTEMPTS=20000 ADVERSARY_SEED=7 pytest -n 0 -s tests/adversary`` makes more of them, and others.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html, https://hl7.org/fhir/R4/security.html#AccessDenied
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import orjson
import pytest

from fhir_api.access import Caller
from fhir_api.http import Response
from tests.adversary.attempts import Attempt, Attempts
from tests.adversary.callers import at_random
from tests.adversary.records import OTHERS
from tests.adversary.worlds import Worlds, worlds
from tests.fhir_api.client import BASE, OPERATOR

ATTEMPTS = int(os.environ.get("ATTEMPTS", "3000"))
SEED = int(os.environ.get("ADVERSARY_SEED", "5"))
MOST_SHOWN = 5
RENEWED_EVERY = 50
"""Attempts after which the first patient's record is as it was: some of them may delete it."""


def told(answer: Response) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    return answer.status, answer.headers, answer.body


def shown(caller: Caller, attempt: Attempt, answers: tuple[Response, Response]) -> str:
    """Who asked what, and where the two answers part."""
    one, other = (f"{answer.status} {answer.headers} {answer.body!r}" for answer in answers)
    parting = max(
        next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
        - 80,
        0,
    )
    scopes = " ".join(map(str, caller.scopes or ()))
    return (
        f"{scopes} user={caller.user} patient={caller.patient} roles={sorted(caller.roles)}\n"
        f"{attempt}\n  with:    {one[parting:][:400]}\n  without: {other[parting:][:400]}"
    )


def linked(answer: Response) -> str | None:
    """The page after the one that is shown, if there is one."""
    if not answer.body.startswith(b'{"resourceType":"Bundle"'):
        return None
    links = {one["relation"]: one["url"] for one in orjson.loads(answer.body).get("link", ())}
    return str(links["next"]).removeprefix(f"{BASE}/") if "next" in links else None


async def links_of_others(two: Worlds) -> tuple[str, ...]:
    """Next pages of searches for the second patient's, as the operator is shown them: sealed with the server's key."""
    links = []
    for url in (
        "Observation?_count=1",
        "?_type=Patient,Observation&_count=2",
        "Observation/_history?_count=1",
    ):
        answer = await two.inhabited.ask(OPERATOR, "GET", url, None, {})
        link = linked(answer)
        assert link is not None
        links.append(link)
        two.empty.clock.requests += 1
    return tuple(links)


async def others_now(two: Worlds) -> list[Response]:
    """The second patient's record as the operator reads it."""
    return [
        await two.inhabited.ask(OPERATOR, "GET", f"{one['resourceType']}/{one['id']}", None, {})
        for one in OTHERS
    ]


@pytest.mark.timeout(3600)
async def test_another_patient_cannot_be_told_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(SEED)
    callers = at_random(random)
    leaks: list[str] = []
    kinds: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    async with worlds(tmp_path, monkeypatch) as two:
        attempts = Attempts(random, await links_of_others(two))
        before = [told(one) for one in await others_now(two)]
        two.empty.clock.requests = two.inhabited.clock.requests
        for number in range(ATTEMPTS):
            if number % RENEWED_EVERY == 0:
                await two.renew()
            caller = next(callers)
            attempt = attempts.next()
            answers = await two.ask(
                caller, attempt.method, attempt.url, attempt.body, attempt.headers
            )
            kinds[attempt.kind] += 1
            statuses[answers[0].status] += 1
            next_page = linked(answers[0])
            if next_page and told(answers[0]) == told(answers[1]):
                answers = await two.ask(caller, "GET", next_page, None, {})
            if told(answers[0]) != told(answers[1]):
                leaks.append(shown(caller, attempt, answers))
        after = [told(one) for one in await others_now(two)]

    print(
        f"\n{ATTEMPTS} attempts, seed {SEED}: {dict(kinds)}\n{dict(sorted(statuses.items()))}\nleaks: {len(leaks)}"
    )
    assert not leaks, "\n\n".join(leaks[:MOST_SHOWN])
    assert after == before


async def test_who_may_see_the_patient_tells_the_two_worlds_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the attempts would ask nothing that could leak."""
    random = Random(SEED)
    differing: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    async with worlds(tmp_path, monkeypatch) as two:
        attempts = Attempts(random, await links_of_others(two))
        for _ in range(600):
            attempt = attempts.next()
            if attempt.method not in {"GET", "HEAD"} and not attempt.url.endswith("_search"):
                continue
            answers = await two.ask(
                OPERATOR, attempt.method, attempt.url, attempt.body, attempt.headers
            )
            asked[attempt.kind] += 1
            differing[attempt.kind] += told(answers[0]) != told(answers[1])

    shares = {kind: differing[kind] / number for kind, number in asked.items()}
    assert all(share > 0.1 for share in shares.values()), shares
    assert sum(differing.values()) > 0.3 * sum(asked.values()), shares
