"""FHIR packages: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhir_api.conformance import packages
from fhir_api.conformance.packages import PackageInvalid, read_guides, read_package

VALUE_SET = {"resourceType": "ValueSet", "url": "http://example.org/v", "status": "draft"}
FILES: dict[str, Any] = {
    "package/package.json": {"name": "example.guide", "version": "1.0.0"},
    "package/ValueSet-v.json": VALUE_SET,
    "package/Patient-example.json": {"resourceType": "Patient"},
    "package/.index.json": {"files": []},
    "package/example/ValueSet-w.json": {**VALUE_SET, "url": "http://example.org/w"},
}


def archive(path: Path, files: dict[str, Any] = FILES) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else orjson.dumps(content)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_a_package_is_its_definitions(tmp_path: Path) -> None:
    package = read_package(archive(tmp_path / "guide.tgz"))
    assert (package.name, package.version) == ("example.guide", "1.0.0")
    assert [d.url for d in package.definitions] == ["http://example.org/v"]


def test_a_folder_reads_as_the_package_it_was_unpacked_from(tmp_path: Path) -> None:
    with tarfile.open(archive(tmp_path / "guide.tgz")) as tar:
        tar.extractall(tmp_path / "guide", filter="data")
    packed, unpacked = read_package(tmp_path / "guide.tgz"), read_package(tmp_path / "guide")
    assert [d.content for d in packed.definitions] == [d.content for d in unpacked.definitions]


def test_all_guides_of_a_folder_are_read(tmp_path: Path) -> None:
    archive(tmp_path / "a.tgz")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "v.json").write_bytes(orjson.dumps(VALUE_SET))
    (tmp_path / "loose.json").write_bytes(orjson.dumps(VALUE_SET))
    (tmp_path / "notes.txt").write_text("not a guide")
    assert [len(guide.definitions) for guide in read_guides(tmp_path)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a package", "it is no FHIR package"),
        (gzip.compress(b"not a tar file" * 100, mtime=0), "it is no FHIR package"),
        (b"", "it is no FHIR package"),
    ],
)
def test_a_broken_package_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "broken.tgz"
    path.write_bytes(content)
    with pytest.raises(PackageInvalid, match=said):
        read_package(path)


def test_a_cut_off_package_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.tgz").read_bytes()
    path = tmp_path / "cut.tgz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PackageInvalid, match=r"cut\.tgz: it is no FHIR package"):
        read_package(path)


def test_a_definition_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "bad.tgz", {"package/ValueSet-v.json": b"{"})
    with pytest.raises(PackageInvalid, match=r"bad\.tgz: ValueSet-v\.json is not JSON"):
        read_package(path)


def test_a_package_without_definitions_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "none.tgz", {"package/package.json": {"name": "x"}})
    with pytest.raises(PackageInvalid, match="no StructureDefinition"):
        read_package(path)


def test_names_that_lead_out_of_the_package_and_links_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tgz"
    (tmp_path / "secret.json").write_bytes(orjson.dumps({**VALUE_SET, "url": "http://x.test/s"}))
    data = orjson.dumps(VALUE_SET)
    with tarfile.open(path, "w:gz") as tar:
        for name in ("package/../../up.json", "/package/absolute.json", "../package/v.json"):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("package/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.json")
        tar.addfile(link)
        member = tarfile.TarInfo("package/own.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    before = sorted(tmp_path.rglob("*"))
    assert [d.url for d in read_package(path).definitions] == ["http://example.org/v"]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_package_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LARGEST_FILE", 1000)
    path = archive(tmp_path / "bomb.tgz", {"package/ValueSet-v.json": b" " * 1001})
    with pytest.raises(PackageInvalid, match="is larger than"):
        read_package(path)
    monkeypatch.setattr(packages, "LARGEST_PACKAGE", 50_000)
    files = {f"package/{n}.bin": b" " * 900 for n in range(100)}
    with pytest.raises(PackageInvalid, match="unpacked"):
        read_package(archive(tmp_path / "bombs.tgz", files))


def test_a_header_that_claims_to_be_huge_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pax header is read whole before its file is seen: the stream itself has to be bounded."""
    monkeypatch.setattr(packages, "LARGEST_PACKAGE", 100_000)
    header = tarfile.TarInfo("package/h")
    header.type, header.size = tarfile.XHDTYPE, 10**9
    path = tmp_path / "header.tgz"
    path.write_bytes(gzip.compress(header.tobuf() + b" " * 10**6))
    with pytest.raises(PackageInvalid):
        read_package(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_FILES", 3)
    with pytest.raises(PackageInvalid, match="more than 3 files"):
        read_package(archive(tmp_path / "many.tgz"))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageInvalid, match="there is no such folder"):
        read_guides(tmp_path / "nowhere")
