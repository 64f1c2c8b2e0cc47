"""Implementation guides as files: FHIR packages (``.tgz``) and folders of JSON.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification: a gzipped tar with everything below ``package/``.
A package comes from somebody else, so it is read in memory, nothing of it is ever unpacked, and its sizes are bounded.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import orjson

from fhir_api.conformance.library import Definition, read_definition

LARGEST_FILE: Final = 32 * 2**20
LARGEST_PACKAGE: Final = 512 * 2**20
"""Bytes of all JSON in it, unpacked."""
MOST_FILES: Final = 50_000
MANIFEST: Final = "package.json"
_NO_DEFINITIONS: Final = frozenset({MANIFEST, ".index.json", "ig-r4.json"})


class PackageInvalid(Exception):
    """A package or folder cannot be used; the message is one sentence that names it and says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """An implementation guide: its definitions in the order of its files."""

    name: str
    version: str
    definitions: tuple[Definition, ...]


def read_guides(folder: Path) -> list[Package]:
    """Everything in a folder: each ``.tgz`` and each folder a guide, and JSON files beside them one more.

    Raises:
        PackageInvalid: there is no such folder, or something in it cannot be used.
    """
    if not folder.is_dir():
        raise PackageInvalid(f"{folder}: there is no such folder.")
    guides = [
        read_package(path)
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and (path.suffix == ".tgz" or path.is_dir())
    ]
    if any(_is_definition(path.name) for path in folder.iterdir() if path.is_file()):
        guides.append(_package(folder, _files_of_folder(folder)))
    return guides


def read_package(path: Path) -> Package:
    """The guide in a ``.tgz`` file or in a folder of JSON files (or one that a package was unpacked to).

    Raises:
        PackageInvalid: it is broken, too large, or has no definition.
    """
    if path.is_dir():
        inner = path / "package"
        package = _package(path, _files_of_folder(inner if inner.is_dir() else path))
    else:
        package = _package(path, _files_of_archive(path))
    if not package.definitions:
        raise PackageInvalid(
            f"{path.name}: it has no StructureDefinition, ValueSet or CodeSystem with a url."
        )
    return package


def _package(path: Path, files: Iterator[tuple[str, bytes]]) -> Package:
    name, version = path.name.removesuffix(".tgz"), ""
    definitions: list[Definition] = []
    for file, content in files:
        try:
            if file == MANIFEST:
                manifest = orjson.loads(content)
                if isinstance(manifest, dict):
                    name, version = (
                        str(manifest.get("name", name)),
                        str(manifest.get("version", "")),
                    )
            elif file not in _NO_DEFINITIONS:
                found = read_definition(content, path.name)
                if found is not None:
                    definitions.append(found)
        except ValueError as exc:
            raise PackageInvalid(f"{path.name}: {file} is not JSON.") from exc
    return Package(name, version, tuple(definitions))


def _files_of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix == ".json":
            try:
                content = path.read_bytes()
            except OSError as exc:
                raise PackageInvalid(
                    f"{folder.name}: {path.name} cannot be read: {exc.strerror}."
                ) from exc
            total += _bounded(folder.name, path.name, len(content), total)
            yield path.name, content


def _files_of_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON files straight below ``package/``; links, devices and everything elsewhere are passed over."""
    total = 0
    try:
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=_Bounded(unpacked, path.name), mode="r|") as archive,  # type: ignore[call-overload]
        ):
            for count, member in enumerate(archive):
                if count >= MOST_FILES:
                    raise PackageInvalid(f"{path.name}: it has more than {MOST_FILES:,} files.")
                place = PurePosixPath(member.name)
                if not member.isfile() or len(place.parts) != 2 or place.suffix != ".json":
                    total += _bounded(path.name, "a file", member.size, total)
                    continue
                total += _bounded(path.name, place.name, member.size, total)
                content = archive.extractfile(member)
                if content is not None and place.parts[0] == "package":
                    yield place.name, content.read()
    except (tarfile.TarError, EOFError, zlib.error) as exc:
        raise PackageInvalid(f"{path.name}: it is no FHIR package (a gzipped tar file).") from exc
    except OSError as exc:
        reason = exc.strerror or "it is no FHIR package (a gzipped tar file)"
        raise PackageInvalid(f"{path.name}: {reason}.") from exc


class _Bounded:
    """A stream that ends in a refusal where it goes on for too long, whatever the archive's headers say of sizes."""

    def __init__(self, stream: gzip.GzipFile, package: str) -> None:
        self._stream = stream
        self._package = package
        self._left = LARGEST_PACKAGE

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise PackageInvalid(f"{self._package}: {_TOO_LARGE}")
        return self._stream.read(size)


_TOO_LARGE: Final = f"it is larger than {LARGEST_PACKAGE >> 20} MiB unpacked."


def _bounded(package: str, file: str, size: int, so_far: int) -> int:
    """``size``, where it is not too much."""
    if size > LARGEST_FILE:
        raise PackageInvalid(f"{package}: {file} is larger than {LARGEST_FILE >> 20} MiB.")
    if so_far + size > LARGEST_PACKAGE:
        raise PackageInvalid(f"{package}: {_TOO_LARGE}")
    return size


def _is_definition(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".") and name not in _NO_DEFINITIONS
