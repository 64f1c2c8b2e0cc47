"""The models that are installed: one folder each, beside this file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from inference.models.errors import ManifestInvalid, UnknownModel, WeightsChanged
from inference.models.manifest import Manifest, parse_manifest

MODELS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A manifest and the folder it stands in."""

    manifest: Manifest
    folder: Path

    def weights(self) -> bytes:
        """Read the weights, after checking that they are the ones that the manifest names.

        Raises:
            WeightsChanged: missing, or another content.
        """
        path = self.folder / self.manifest.weights.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise WeightsChanged(f"{self.manifest.name}: the weights cannot be read") from error
        if hashlib.sha256(content).hexdigest() != self.manifest.weights.sha256:
            raise WeightsChanged(
                f"{self.manifest.name}: {path.name} has another sha256 than model.json names"
            )
        return content

    def card(self) -> str:
        """Return the model card, in Markdown.

        Raises:
            ManifestInvalid: there is none.
        """
        try:
            return (self.folder / self.manifest.card).read_text(encoding="utf-8")
        except OSError as error:
            raise ManifestInvalid(f"{self.manifest.name}: the card cannot be read") from error


def installed_models(folder: Path = MODELS) -> tuple[InstalledModel, ...]:
    """Return every model that has a `model.json`, in order of name and version.

    Raises:
        ManifestInvalid: one of them is wrong.
    """
    found = [
        InstalledModel(parse_manifest(path.read_bytes()), path.parent)
        for path in folder.glob("*/model.json")
    ]
    return tuple(sorted(found, key=_name_and_version))


def _name_and_version(model: InstalledModel) -> tuple[str, tuple[int, ...]]:
    numbers = tuple(int(part) for part in model.manifest.version.split("."))
    return model.manifest.name, numbers


def installed_model(name: str, version: str | None = None, folder: Path = MODELS) -> InstalledModel:
    """Return the model of that name, and of that version where one is given.

    Raises:
        UnknownModel: none is installed.
        ManifestInvalid: a manifest is wrong.
    """
    for model in reversed(installed_models(folder)):
        if model.manifest.name == name and version in {None, model.manifest.version}:
            return model
    wanted = name if version is None else f"{name} {version}"
    raise UnknownModel(f"no model {wanted} is installed")
