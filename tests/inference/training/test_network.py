"""The exported graph says what the trained networks say; augmentation and shifts stay in bounds."""

# ruff: noqa: E402 - what is tested is imported after the look for the extras
from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: gpu")
pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra: train")
pytest.importorskip("sklearn", reason="needs the extra: train")

from inference.engines import EngineName, choose_engine
from inference.models.chest_xray_pneumonia.preprocess import Preprocessing, equalise
from inference.training.augmentation import augment, equalise_batch
from inference.training.export import onnx_model
from inference.training.network import FEATURES, RadiographNetwork
from inference.training.novelty import fit_novelty
from inference.training.radiographs import Radiographs
from inference.training.shifts import SHIFTS, shifted
from tests.inference.models.radiographs import drawn_chest

SIDE = 64
PARAMETERS = Preprocessing(input_px=SIDE)


def network(seed: int) -> RadiographNetwork:
    torch.manual_seed(seed)
    made = RadiographNetwork(frozen_blocks=3)
    with torch.no_grad():
        made.weight.copy_(torch.randn(FEATURES) * 0.1)
        made.bias.fill_(0.3 * seed)
    return made.eval()


@pytest.mark.parametrize("name", list(EngineName))
def test_the_graph_is_the_mean_of_the_network_on_the_image_and_on_its_mirror(
    name: EngineName,
) -> None:
    made = network(1)
    pixels = torch.randn(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    features = made.distance_features(torch.cat([pixels, pixels * 0.5, pixels + 1])).numpy()
    novelty = fit_novelty(features)
    graph = onnx_model(made, novelty, SIDE).SerializeToString()
    outputs = choose_engine(graph, engine=name, threads=1).run(pixels.numpy())
    with torch.inference_mode():
        expected = (made(pixels) + made(pixels.flip(3))) / 2
        distance = (made.distance_features(pixels) - torch.from_numpy(novelty.mean)) @ (
            torch.from_numpy(novelty.whitening)
        )
    # Half-precision storage of the convolutions: a few thousandths of the logit's own size.
    np.testing.assert_allclose(outputs["logit"], expected, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(outputs["distance"], distance.norm(dim=1), rtol=0.05)
    bias = made.bias.item()
    np.testing.assert_allclose(outputs["cam"].mean((1, 2)) + bias, outputs["logit"], atol=1e-4)


def test_what_is_frozen_stays_as_it_was() -> None:
    made = network(1).train()
    before = {name: value.clone() for name, value in made.stem.state_dict().items()}
    made(torch.randn(4, 1, SIDE, SIDE)).sum().backward()
    assert all(parameter.grad is None for parameter in made.stem.parameters())
    assert made.weight.grad is not None
    for name, value in made.stem.state_dict().items():
        assert torch.equal(value, before[name])


def chests(n: int) -> Radiographs:
    images = np.stack([np.roll(drawn_chest(96, 96), 3 * index, axis=1) for index in range(n)])
    return Radiographs(
        images,
        np.arange(n) % 2 == 0,
        np.array([f"person{index}" for index in range(n)]),
        np.array([f"n{index}" for index in range(n)]),
    )


def test_augmentation_keeps_shape_and_bounds_and_repeats_with_its_seed() -> None:
    pixels = torch.from_numpy(chests(8).images).float()[:, None] / 255
    targets = torch.tensor([0.0, 1.0] * 4)

    def augmented(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        batch = augment(pixels, targets, PARAMETERS, 64, torch.Generator().manual_seed(seed))
        return batch.inputs, batch.targets

    for seed in range(6):
        inputs, mixed = augmented(seed)
        assert inputs.shape == (8, 1, 64, 64)
        assert torch.isfinite(inputs).all()
        assert inputs.abs().max() < 5
        assert ((mixed >= 0) & (mixed <= 1)).all()
    assert torch.equal(augmented(3)[0], augmented(3)[0])
    assert not torch.equal(augmented(3)[0], augmented(4)[0])


def test_training_equalises_as_serving_does() -> None:
    plane = drawn_chest(64, 64).astype(np.float32) / 255
    generator = torch.Generator()
    # A seed whose first draw leaves the central part's size as it is.
    seed = min(
        range(500),
        key=lambda seed: abs(torch.rand((), generator=generator.manual_seed(seed)).item() - 0.5),
    )
    batch = equalise_batch(
        torch.from_numpy(plane)[None, None], PARAMETERS, generator.manual_seed(seed)
    )
    assert np.abs(batch[0, 0].numpy() - equalise(plane, PARAMETERS)).mean() < 0.03


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: shift.__name__)
def test_a_shift_changes_the_picture_and_repeats_with_its_seed(shift: object) -> None:
    whole = chests(4)
    once, again = shifted(whole, shift, 5), shifted(whole, shift, 5)
    for image, repeated, original in zip(once, again, whole.images, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, repeated)
        assert image.shape != original.shape or not np.array_equal(image, original)
