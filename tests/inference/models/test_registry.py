"""Manifests are complete or refused; weights are the pinned ones or refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.models.errors import ManifestInvalid, UnknownModel, WeightsChanged
from inference.models.manifest import manifest_json, parse_manifest
from inference.models.registry import installed_model, installed_models
from tests.inference.models.manifests import manifest

WEIGHTS = b"some weights"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in ("1.9.0", "1.10.0"):
        folder = tmp_path / f"model_{version.replace('.', '_')}"
        folder.mkdir()
        text = manifest_json(dataclasses.replace(manifest(WEIGHTS), version=version))
        (folder / "model.json").write_bytes(text)
        (folder / "weights.onnx").write_bytes(WEIGHTS)
    return tmp_path


def test_the_highest_version_answers_unless_one_is_named(models: Path) -> None:
    name = manifest().name
    assert installed_model(name, folder=models).manifest.version == "1.10.0"
    assert installed_model(name, "1.9.0", folder=models).manifest.version == "1.9.0"
    assert [model.manifest.version for model in installed_models(models)] == ["1.9.0", "1.10.0"]


def test_a_model_that_is_not_installed_is_unknown(models: Path) -> None:
    with pytest.raises(UnknownModel):
        installed_model("other", folder=models)
    with pytest.raises(UnknownModel):
        installed_model(manifest().name, "2.0.0", folder=models)


def test_weights_with_the_pinned_sha256_are_read(models: Path) -> None:
    assert installed_model(manifest().name, folder=models).weights() == WEIGHTS


def test_weights_with_one_changed_bit_are_refused(models: Path) -> None:
    model = installed_model(manifest().name, folder=models)
    (model.folder / "weights.onnx").write_bytes(b"some weightS")
    with pytest.raises(WeightsChanged, match="sha256"):
        model.weights()


def test_missing_weights_are_refused(models: Path) -> None:
    model = installed_model(manifest().name, folder=models)
    (model.folder / "weights.onnx").unlink()
    with pytest.raises(WeightsChanged):
        model.weights()


def test_a_manifest_survives_writing_and_reading() -> None:
    assert parse_manifest(manifest_json(manifest())) == manifest()


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("version",), "1.2", "version"),
        (("weights", "sha256"), "0" * 63, "sha256"),
        (("weights", "file"), "../../other.onnx", "file name"),
        (("card",), "a/b.md", "file name"),
        (("calibration", "temperature"), 0, "temperature"),
        (("decision", "threshold"), 1.0, "threshold"),
        (("decision", "threshold"), "high", "float"),
        (("novelty", "limit"), -1, "limit"),
        (("capability", "modalities"), [], "modality"),
        (("population", "youngest_years"), 9, "ages"),
        (("surprise",), 1, "unknown"),
    ],
)
def test_a_wrong_manifest_is_refused_by_name(
    path: tuple[str, ...], value: object, complaint: str
) -> None:
    members = msgspec.json.decode(manifest_json(manifest()))
    place = members
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ManifestInvalid, match=complaint):
        parse_manifest(msgspec.json.encode(members))


@pytest.mark.parametrize("member", list(msgspec.json.decode(manifest_json(manifest()))))
def test_no_member_may_be_missing(member: str) -> None:
    members = msgspec.json.decode(manifest_json(manifest()))
    del members[member]
    with pytest.raises(ManifestInvalid, match=member):
        parse_manifest(msgspec.json.encode(members))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_are_refused(content: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(content)


def test_what_is_committed_is_whole() -> None:
    (model,) = installed_models()
    assert model.manifest.analysis == "chest-xray-pneumonia"
    assert len(model.weights()) == model.manifest.weights.size_bytes < 25_000_000
    card = model.card()
    assert model.manifest.weights.sha256 in card
    assert model.manifest.version in card
    for plot in ("roc.png", "reliability.png", "faithfulness.png"):
        assert plot in card
        assert (model.folder / plot).stat().st_size < 200_000
