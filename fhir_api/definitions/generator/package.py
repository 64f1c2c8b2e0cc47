"""The npm package ``hl7.fhir.r4.examples``: where it is found, how it is fetched, how its resources are read.

The package (CC0) holds every definition of R4 4.0.1 and every official example, one JSON file a resource.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

PACKAGE = "hl7.fhir.r4.examples"
VERSION = "4.0.1"
CACHE = Path(__file__).resolve().parents[3] / ".cache"
FETCH_TIMEOUT_S = 240
SOURCES = (
    "StructureDefinition-",
    "ValueSet-",
    "CodeSystem-",
    "SearchParameter-",
    "CompartmentDefinition-",
    "Bundle-valueset-expansions.",
)
TARBALL = CACHE / f"{PACKAGE}-{VERSION}.tgz"


class PackageUnavailable(Exception):
    """The definitions package is neither here nor to be had; the message says why."""


class DefinitionsPackage:
    """The files of the package, read from its tarball or from a folder it was unpacked to."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise PackageUnavailable(f"{path} does not exist")
        self._path = path

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """File name and bytes of every JSON resource, one at a time: together they are 190 MB."""
        if self._path.is_dir():
            folder = self._path / "package" if (self._path / "package").is_dir() else self._path
            for path in sorted(folder.glob("*-*.json")):
                yield path.name, path.read_bytes()
            return
        with tarfile.open(self._path) as archive:
            for member in archive:
                name = member.name.removeprefix("package/")
                content = archive.extractfile(member)
                if content and "/" not in name and "-" in name and name.endswith(".json"):
                    yield name, content.read()

    @cached_property
    def _definitions(self) -> dict[str, bytes]:
        """The files that tables are made from, by name in order."""
        return dict(sorted((name, content) for name, content in self if name.startswith(SOURCES)))

    def resources(self, type_: str) -> Iterator[dict[str, Any]]:
        """Every definition whose file is named for ``type_``, ordered by file name."""
        for name, content in self._definitions.items():
            if name.startswith(f"{type_}-"):
                yield orjson.loads(content)


def find() -> DefinitionsPackage:
    """The package in ``.cache/``, fetched with ``npm pack`` when it is not there yet.

    Raises PackageUnavailable where npm is missing or cannot fetch it.
    """
    if not TARBALL.exists():
        fetch()
    return DefinitionsPackage(TARBALL)


def fetch() -> None:
    """Fetch the package into ``.cache/`` with npm. Raises PackageUnavailable."""
    npm = shutil.which("npm")
    if npm is None:
        raise PackageUnavailable(f"{TARBALL.name} is not in .cache/ and npm is not installed")
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=CACHE) as folder:
        command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        try:
            subprocess.run(  # noqa: S603 - a fixed command
                command, cwd=folder, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S
            )
        except subprocess.CalledProcessError as exc:
            raise PackageUnavailable(
                f"npm pack {PACKAGE}@{VERSION} failed ({exc.returncode})"
            ) from exc
        except subprocess.TimeoutExpired as exc:
            raise PackageUnavailable(f"npm pack {PACKAGE}@{VERSION} took too long") from exc
        # In one step, so that nobody meets half a file and two fetches at once do no harm.
        (Path(folder) / TARBALL.name).replace(TARBALL)
