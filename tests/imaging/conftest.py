"""Real files, a real store, the real write path and the real routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import data_store
import httpx
import pytest
from pydicom.data import get_testdata_file

from fhir_api.access import OURSELVES
from fhir_api.api import Api
from fhir_api.validation import Validator
from healthvision.uploads import archive_of, subject_named_in_files
from imaging.archive.ingest import Archive
from imaging.dicomweb.handlers import Action, Admit, Admitted, DicomWeb
from imaging.dicomweb.routes import dicomweb_app
from imaging.isolation import DecoderProcesses
from store.sqlite import SqliteStore

UPLOAD_LIMIT_BYTES = 8 * 1024**3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # pydicom remarks on odd values in its own test files.
            item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning:pydicom"))


def sample(name: str) -> Path:
    """A file of pydicom or pydicom-data, both installed packages; nothing is downloaded."""
    bundled = Path(str(files(data_store).joinpath("data", name)))
    if bundled.is_file():
        return bundled
    found = get_testdata_file(name, download=False)
    assert found is not None, name
    return Path(str(found))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "data")
    yield opened
    await opened.close()


@pytest.fixture
def api(store: SqliteStore) -> Api:
    return Api(store=store, validator=Validator())


@pytest.fixture
def archive(api: Api) -> Archive:
    return archive_of(api, UPLOAD_LIMIT_BYTES, OURSELVES)


@pytest.fixture(scope="session")
def decoders() -> Iterator[DecoderProcesses]:
    processes = DecoderProcesses(1)
    yield processes
    processes.close()


def everyone(archive: Archive) -> Admit:
    """Admits whoever asks, to everything."""

    async def admit(_headers: Mapping[str, str], _action: Action) -> Admitted:
        return Admitted(archive)

    return admit


@pytest.fixture
def server(api: Api, archive: Archive, decoders: DecoderProcesses) -> DicomWeb:
    async def subject(patient):
        return await subject_named_in_files(api, patient)

    return DicomWeb(archive.store, everyone(archive), subject, decoders=decoders)


@pytest.fixture
async def web(server: DicomWeb) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=dicomweb_app(server), root_path="/dicom-web")
    async with httpx.AsyncClient(transport=transport, base_url="http://test/dicom-web") as client:
        yield client


@pytest.fixture(scope="session")
def sample_file() -> Callable[[str], Path]:
    return sample
