"""The definitions package is found, fetched or said to be missing."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from fhir_api.definitions import generate
from fhir_api.definitions.generator import package as packages
from fhir_api.definitions.generator.package import DefinitionsPackage, PackageUnavailable

FILES = {
    "StructureDefinition-b.json": b'{"resourceType":"StructureDefinition","id":"b"}',
    "StructureDefinition-a.json": b'{"resourceType":"StructureDefinition","id":"a"}',
    "Patient-example.json": b'{"resourceType":"Patient","id":"example"}',
    "package.json": b'{"name":"x"}',
}


@pytest.fixture(params=["folder", "tarball"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> DefinitionsPackage:
    if request.param == "folder":
        (tmp_path / "package").mkdir()
        for name, content in FILES.items():
            (tmp_path / "package" / name).write_bytes(content)
        return DefinitionsPackage(tmp_path)
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return DefinitionsPackage(tmp_path / "x.tgz")


def test_a_folder_and_a_tarball_read_the_same(package: DefinitionsPackage) -> None:
    assert {name for name, _ in package} == FILES.keys() - {"package.json"}
    assert [definition["id"] for definition in package.resources("StructureDefinition")] == [
        "a",
        "b",
    ]


def test_a_package_that_is_not_there_ends_the_command_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", str(tmp_path / "absent.tgz")])
    assert generate.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_without_npm_a_missing_package_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packages, "TARBALL", tmp_path / "absent.tgz")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PackageUnavailable, match="npm is not installed"):
        packages.find()
