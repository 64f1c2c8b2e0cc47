"""What a worker shows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthvision.settings import load
from healthvision.work import credential_of
from inference.credential import BearerToken, KeyPair


@pytest.mark.parametrize(
    ("has_key", "supervised", "kind"),
    [
        (False, False, BearerToken),
        (True, False, KeyPair),
        (True, True, BearerToken),
    ],
)
def test_a_worker_has_its_key_and_the_one_beside_the_server_the_servers_token(
    has_key: bool,
    supervised: bool,
    kind: type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if has_key:
        monkeypatch.setenv("HEALTHVISION_WORKER_KEY_FILE", str(tmp_path / "worker.pem"))
    credential = credential_of(load(), "http://127.0.0.1:8000/fhir", supervised=supervised)
    assert type(credential) is kind
