"""An API whose clock the test moves."""

from __future__ import annotations

import pytest

from fhir_api.api import Api, ApiOptions
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client
from tests.fhir_api.conftest import VALIDATOR
from tests.fhir_api.tasks.queueing import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(store: SqliteStore, clock: Clock) -> Api:
    return Api(store, VALIDATOR, ApiOptions(cursor_key=b"k" * 64, attempt_limit=3), clock)


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api)
