"""What a verified, scoped request costs over an open one: the same requests by an app's signed token and the operator's.

The app's token is a patient's: its signature was verified when the server first saw it; at each request it is looked up,
asked about (is it revoked?), and what it may see is added to the search or judged by the resource's content. Both get
the same bytes back. Latencies: one connection, one request of each in turn. Processor time of the server: some hundred
requests of each in turn.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil

from benchmarks.machine import percentile, table
from fhir_api.smart.local import Grant
from fhir_api.smart.scopes import resource_scopes
from healthvision import settings
from healthvision.keys import deployment_key
from healthvision.trust import local_issuer
from tests.deployment import OPERATOR_TOKEN, Deployment

PATIENTS, OBSERVATIONS = 40, 20
WARM_UP, PAIRS = 300, 3000
ROUNDS, REQUESTS = 6, 2000
SCOPES = " ".join(
    f"patient/{type}.rs"
    for type in (
        "Patient",
        "Observation",
        "ImagingStudy",
        "DiagnosticReport",
        "Encounter",
        "Condition",
        "ServiceRequest",
        "Task",
        "Media",
        "Provenance",
    )
)
UNHURRIED = {"HEALTHVISION_CLIENT_RATE": "10000000", "HEALTHVISION_USER_RATE": "10000000"}
"""Rates that are counted and not reached."""
ASKED = {"read": 15, "search": 25}
"""Per cent that the scoped one may take longer, at p50 (issue 5)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One request. ``path`` is below the FHIR base."""

    name: str
    path: str

    @property
    def at_most(self) -> int:
        return ASKED["search" if "?" in self.path else "read"]


class Connection:
    """One kept connection; as little as a client can do, so that the figures are the server's."""

    def __init__(self, port: int, status: int = 200) -> None:
        self._expected = b"HTTP/1.1 %d" % status
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def body(self, request: bytes) -> bytes:
        """The body of the answer, which has the status that is expected."""
        self._socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(1 << 16)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(self._expected), head
        length = int(head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(1 << 16)
        return body


def run(_options: argparse.Namespace) -> None:
    """Prints one table: a row a request."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(
            Path(folder) / "data", arguments=("--no-worker",), settings=UNHURRIED
        )
        deployment.start()
        try:
            patient, observation = filled(deployment)
            tokens = (OPERATOR_TOKEN, patients_token(deployment, patient))
            kinds = (
                Kind("read Patient", f"Patient/{patient}"),
                Kind("read Observation", f"Observation/{observation}"),
                Kind("search Observation?patient", f"Observation?patient={patient}"),
                Kind(
                    "search Observation?patient&code", f"Observation?patient={patient}&code=8867-4"
                ),
                Kind("search Patient?_id", f"Patient?_id={patient}"),
            )
            rows = [_row(deployment, kind, tokens) for kind in kinds]
        finally:
            deployment.kill()
    print(
        table(
            (
                "request",
                "open, p50 µs",
                "scoped, p50 µs",
                "more",
                "asked: at most",
                "open, CPU µs",
                "scoped, CPU µs",
                "more",
            ),
            rows,
        )
    )
    print(
        f"\np50 of {PAIRS} requests of each, in turn over one connection; processor time of the API process: medians of "
        f"{ROUNDS} times {REQUESTS} requests of each, in turn. The app's token has {len(tokens[1])} bytes and "
        f"{len(SCOPES.split())} scopes. {PATIENTS} patients with {OBSERVATIONS} Observations each."
    )


def _row(deployment: Deployment, kind: Kind, tokens: Sequence[str]) -> tuple[str, ...]:
    open_request, scoped_request = (request_of(deployment, kind, token) for token in tokens)
    with Connection(deployment.port) as connection:
        assert connection.body(open_request) == connection.body(scoped_request), kind.name
        for _ in range(WARM_UP):
            connection.body(open_request)
            connection.body(scoped_request)
        latencies_us = _latencies_us(connection, (open_request, scoped_request))
        cpu_us = _cpu_us(deployment, connection, (open_request, scoped_request))
    return (
        kind.name,
        *(f"{one:.0f}" for one in latencies_us),
        _more(latencies_us),
        f"{kind.at_most} %",
        *(f"{one:.0f}" for one in cpu_us),
        _more(cpu_us),
    )


def _latencies_us(connection: Connection, requests: Sequence[bytes]) -> list[float]:
    took_s: list[list[float]] = [[] for _ in requests]
    for number in range(PAIRS):
        # Neither always follows the other: what one leaves behind is not the other's to pay for.
        turn = (0, 1) if number % 2 else (1, 0)
        for which in turn:
            began_s = time.perf_counter()
            connection.body(requests[which])
            took_s[which].append(time.perf_counter() - began_s)
    return [percentile(one, 0.5) * 1e6 for one in took_s]


def _cpu_us(
    deployment: Deployment, connection: Connection, requests: Sequence[bytes]
) -> list[float]:
    (process,) = deployment.processes("api")
    took_us: list[list[float]] = [[] for _ in requests]
    for _ in range(ROUNDS):
        for which, request in enumerate(requests):
            before_s = _cpu_s(process)
            for _ in range(REQUESTS):
                connection.body(request)
            took_us[which].append((_cpu_s(process) - before_s) * 1e6 / REQUESTS)
    return [statistics.median(one) for one in took_us]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _more(pair: Sequence[float]) -> str:
    return f"{(pair[1] / pair[0] - 1) * 100:+.0f} %"


def request_of(deployment: Deployment, kind: Kind, token: str) -> bytes:
    """The bytes of a GET."""
    rows = (
        f"GET /fhir/{kind.path} HTTP/1.1",
        f"Host: 127.0.0.1:{deployment.port}",
        f"Authorization: Bearer {token}",
        "Accept: application/fhir+json",
    )
    return ("\r\n".join(rows) + "\r\n\r\n").encode()


def patients_token(deployment: Deployment, patient: str) -> str:
    """The token of an app that one patient's record is open in."""
    of_server = settings.load(port=deployment.port, data_dir=deployment.data_dir)
    issuer = local_issuer(of_server, deployment_key(deployment.data_dir))
    assert issuer is not None
    roles = frozenset({"clinician", "radiologist"})
    return issuer.token(
        Grant("viewer", resource_scopes(SCOPES), 3600, roles, "Practitioner/1", patient)
    )


def filled(deployment: Deployment) -> tuple[str, str]:
    """Stores the patients; answers the id of one, and of one of his Observations."""
    with deployment.client() as client:
        for number in range(PATIENTS):
            patient = f"p{number}"
            entries = [
                _put(
                    {
                        "resourceType": "Patient",
                        "id": patient,
                        "birthDate": "1970-01-01",
                        "identifier": [{"system": "urn:mrn", "value": patient}],
                    }
                )
            ]
            entries += [_put(_observation(patient, one)) for one in range(OBSERVATIONS)]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            answer = client.post(
                "", content=json.dumps(bundle), headers={"Content-Type": "application/fhir+json"}
            )
            assert answer.status_code == httpx.codes.OK, answer.text
    return patient, f"{patient}-0"


def _put(resource: dict[str, object]) -> dict[str, object]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"request": {"method": "PUT", "url": url}, "resource": resource}


def _observation(patient: str, number: int) -> dict[str, object]:
    coding = {"system": "http://loinc.org", "code": "8867-4" if number % 2 else "8310-5"}
    return {
        "resourceType": "Observation",
        "id": f"{patient}-{number}",
        "status": "final",
        "code": {"coding": [coding]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-01-{number + 1:02d}T08:00:00Z",
        "valueQuantity": {
            "value": 60 + number,
            "unit": "1",
            "system": "http://unitsofmeasure.org",
            "code": "1",
        },
    }
