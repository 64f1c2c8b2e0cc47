"""Our client over real HTTP, also against a server that fails."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from imaging.archive.attributes import tag
from imaging.dicomweb.client import DicomWebClient, Retries
from imaging.dicomweb.errors import Answered, ClientError, Unexpected, Unreachable
from tests.imaging.conftest import sample
from tests.imaging.dicomweb.live import served

AT_ONCE = Retries(attempts=4, first_s=0.0)


def written(directory: Path, *names: str) -> list[Path]:
    paths = []
    for name in names:
        path = directory / f"source-{name}"
        path.write_bytes(sample(name).read_bytes())
        paths.append(path)
    return paths


def uids(name: str) -> tuple[str, str, str]:
    import pydicom

    dataset = pydicom.dcmread(sample(name), stop_before_pixels=True)
    return dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID


class Failing:
    """Fails the first requests in the given way, then lets them through. ``count`` counts all."""

    def __init__(self, app, failures: int, status: int | None) -> None:
        self.app, self.failures, self.status, self.count = app, failures, status, 0

    async def __call__(self, scope, receive, send) -> None:
        self.count += 1
        if self.count > self.failures:
            await self.app(scope, receive, send)
        elif self.status is not None:
            await send({"type": "http.response.start", "status": self.status, "headers": []})
            await send({"type": "http.response.body", "body": b"PATIENT NAME"})
        else:
            await self.app(scope, receive, Cut(send))


class Cut:
    """Breaks a stream in the middle of its first piece."""

    def __init__(self, send) -> None:
        self.send = send

    async def __call__(self, message) -> None:
        if message["type"] == "http.response.body" and message.get("more_body"):
            half = message["body"][: len(message["body"]) // 2]
            await self.send({**message, "body": half})
            raise ConnectionAbortedError
        await self.send(message)


async def test_what_is_stored_comes_back_byte_for_byte(tmp_path: Path) -> None:
    names = ["RG3_J2KI.dcm", "MR_small.dcm", "CT_small.dcm"]
    with served(tmp_path / "data") as url:
        async with httpx.AsyncClient() as http:
            client = DicomWebClient(http, url)
            stored = await client.store(written(tmp_path, *names))
            assert len(stored[tag("ReferencedSOPSequence")]["Value"]) == 3
            for name in names:
                study, series, instance = uids(name)
                for fetched in (
                    *await client.fetch_study(tmp_path, study),
                    *await client.fetch_series(tmp_path, study, series),
                    await client.fetch_instance(tmp_path, study, series, instance),
                ):
                    assert fetched.path.read_bytes() == sample(name).read_bytes()
                    assert fetched.content_type == "application/dicom"
                    assert fetched.size_bytes == fetched.path.stat().st_size
            assert len(await client.search("studies")) == 3
            assert await client.search("studies", {"PatientID": "nobody"}) == []


@pytest.mark.parametrize("status", [503, 429, None])
@pytest.mark.parametrize("level", ["study", "instance"])
async def test_a_server_that_recovers_is_asked_again(
    tmp_path: Path, status: int | None, level: str
) -> None:
    """None: the stream breaks off in the middle of an instance."""
    with served(tmp_path / "data") as url:
        async with httpx.AsyncClient() as http:
            await DicomWebClient(http, url).store(written(tmp_path, "RG3_J2KI.dcm"))
    breaking: list[Failing] = []

    def around(app):
        breaking.append(Failing(app, 2, status))
        return breaking[0]

    target = tmp_path / "fetched"
    target.mkdir()
    with served(tmp_path / "data", around) as url:
        async with httpx.AsyncClient() as http:
            client = DicomWebClient(http, url, AT_ONCE)
            study, series, instance = uids("RG3_J2KI.dcm")
            if level == "study":
                [fetched] = await client.fetch_study(target, study)
            else:
                fetched = await client.fetch_instance(target, study, series, instance)
            assert fetched.path.read_bytes() == sample("RG3_J2KI.dcm").read_bytes()
    assert breaking[0].count == 3
    assert list(target.iterdir()) == [fetched.path]


@pytest.mark.parametrize("status", [408, 500, 503])
async def test_a_server_that_stays_down_is_given_up_without_leaving_files(
    tmp_path: Path, status: int
) -> None:
    target = tmp_path / "fetched"
    target.mkdir()
    with served(tmp_path / "data", lambda app: Failing(app, 99, status)) as url:
        async with httpx.AsyncClient() as http:
            with pytest.raises(Answered) as refused:
                await DicomWebClient(http, url, AT_ONCE).fetch_study(target, "1.2.3")
    assert refused.value.category == "transient"
    assert "PATIENT" not in str(refused.value)
    assert list(target.iterdir()) == []
    async with httpx.AsyncClient() as http:
        with pytest.raises(Unreachable):
            await DicomWebClient(http, url, AT_ONCE).search("studies")


async def test_a_refusal_is_not_repeated(tmp_path: Path) -> None:
    seen: list[Failing] = []

    def around(app):
        seen.append(Failing(app, 0, None))
        return seen[0]

    with served(tmp_path / "data", around) as url:
        async with httpx.AsyncClient() as http:
            client = DicomWebClient(http, url, AT_ONCE)
            with pytest.raises(Answered) as refused:
                await client.fetch_study(tmp_path, "1.2.3")
            assert refused.value.status == 404
            path = tmp_path / "text"
            path.write_bytes(b"no dicom")
            with pytest.raises(Answered) as nothing_stored:
                await client.store([path])
            assert nothing_stored.value.status == 409
    assert seen[0].count == 2


async def test_a_server_that_dislikes_our_accept_gets_a_plainer_one(tmp_path: Path) -> None:
    """Orthanc and others refuse media ranges that they do not know."""

    class Strict:
        def __init__(self, app) -> None:
            self.app = app

        async def __call__(self, scope, receive, send) -> None:
            accept = dict(scope["headers"]).get(b"accept", b"")
            if b"*/*" in accept and scope["method"] == "GET":
                await send({"type": "http.response.start", "status": 400, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            await self.app(scope, receive, send)

    with served(tmp_path / "data", Strict) as url:
        async with httpx.AsyncClient() as http:
            client = DicomWebClient(http, url, AT_ONCE)
            await client.store(written(tmp_path, "CT_small.dcm"))
            [fetched] = await client.fetch_study(tmp_path, uids("CT_small.dcm")[0])
            assert fetched.path.read_bytes() == sample("CT_small.dcm").read_bytes()


@pytest.mark.parametrize("uid", ["../../secret", "1.2/../3", "", "1.2?x=1"])
async def test_what_is_no_uid_never_becomes_part_of_a_url(tmp_path: Path, uid: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(Unexpected):
            await DicomWebClient(http, "http://127.0.0.1:1").fetch_study(tmp_path, uid)


async def test_an_answer_that_is_no_dicomweb_is_said_to_be_none(tmp_path: Path) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, text="<html>log in</html>", headers={"content-type": "text/html"}
        )

    async with httpx.AsyncClient(transport=httpx.MockTransport(page)) as http:
        client = DicomWebClient(http, "http://test", AT_ONCE)
        with pytest.raises(ClientError):
            await client.search("studies")
        with pytest.raises(ClientError):
            await client.fetch_study(tmp_path, "1.2.3")
