"""A FHIR API on a real store in a directory of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_api.api import Api, ApiOptions
from fhir_api.validation import Validator
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client

VALIDATOR = Validator()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "data")
    yield store
    await store.close()


@pytest.fixture
def api(store: SqliteStore) -> Api:
    return Api(store, VALIDATOR, ApiOptions(cursor_key=b"k" * 64))


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api)
