"""The training loop: the head warms up first, weights are averaged as it goes, the best epoch stays."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.models.chest_xray_pneumonia.preprocess import Preprocessing
from inference.training.augmentation import augment
from inference.training.network import RadiographNetwork
from inference.training.radiographs import Radiographs

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained."""

    seed: int
    epochs: int = 12
    stopped_after: int | None = None
    """Fewer epochs than the learning rate falls over, where a run was ended early."""
    coarse_epochs: int = 5
    """Epochs at the start that use the smaller `coarse_px`: half the time, and one more variation."""
    coarse_px: int = 160
    batch: int = 32
    frozen_blocks: int = 3
    backbone_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    average_decay: float = 0.995
    pneumonia_per_normal: float = 1.6
    """Each epoch sees every normal image and as many of pneumonia, newly drawn, as this makes."""
    smoothing: float = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The averaged weights of the best epoch, and what every epoch came to."""

    weights: Weights
    epochs: tuple[dict[str, float], ...]
    seconds: float


def fit(
    training: Radiographs,
    preprocessing: Preprocessing,
    recipe: Recipe,
    judge: Callable[[RadiographNetwork], float],
) -> Fitted:
    """Train one network; `judge` says how good (higher is better) an epoch's averaged weights are.

    The last half of the epochs is judged.
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    network = RadiographNetwork(recipe.frozen_blocks).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimiser = _optimiser(network, recipe)
    steps = _drawn(training, recipe)[1] // recipe.batch
    epochs: list[dict[str, float]] = []
    best: Weights = average.state_dict()
    highest = -math.inf
    started = time.perf_counter()
    for epoch in range(recipe.stopped_after or recipe.epochs):
        network.train()
        side_px = recipe.coarse_px if epoch < recipe.coarse_epochs else preprocessing.input_px
        order = _order(training, recipe, generator)
        losses = []
        for step in range(steps):
            index = order[step * recipe.batch : (step + 1) * recipe.batch].numpy()
            pixels = torch.from_numpy(training.images[index]).float()[:, None] / 255
            targets = torch.from_numpy(training.pneumonia[index]).float()
            batch = augment(pixels, targets, preprocessing, side_px, generator)
            done = epoch * steps + step
            _schedule(optimiser, done / steps, recipe.epochs)
            inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
            soft = batch.targets * (1 - 2 * recipe.smoothing) + recipe.smoothing
            loss = functional.binary_cross_entropy_with_logits(network(inputs), soft)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            _average(average, network, min(recipe.average_decay, (done + 1) / (done + 21)))
            losses.append(loss.detach().item())
        row = {"epoch": epoch + 1, "loss": round(float(np.mean(losses)), 4)}
        if epoch >= recipe.epochs // 2:
            row["judged"] = round(judge(average), 4)
            if row["judged"] > highest:
                highest, best = row["judged"], copy.deepcopy(average.state_dict())
        epochs.append(row)
        print(f"seed {recipe.seed}: {row}", flush=True)
    return Fitted(best, tuple(epochs), time.perf_counter() - started)


def _optimiser(network: RadiographNetwork, recipe: Recipe) -> torch.optim.AdamW:
    head = [network.weight, network.bias]
    body = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and name not in {"weight", "bias"}
    ]
    groups: list[dict[str, Any]] = [
        {"params": body, "peak": recipe.backbone_rate, "delay": 0.3},
        {"params": head, "peak": recipe.head_rate, "delay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay)


def _schedule(optimiser: torch.optim.AdamW, epochs_done: float, epochs: int) -> None:
    """Rise linearly over half an epoch, the body a little after the head, then fall as a cosine."""
    fall = 0.5 * (1 + math.cos(math.pi * epochs_done / epochs))
    for group in optimiser.param_groups:
        rise = min(1.0, max(0.0, epochs_done / 0.5 - group["delay"]))
        group["lr"] = group["peak"] * rise * fall


def _drawn(training: Radiographs, recipe: Recipe) -> tuple[int, int]:
    """How many pneumonia images, and how many images in all, an epoch sees."""
    normal = int((~training.pneumonia).sum())
    ill = min(int(training.pneumonia.sum()), round(recipe.pneumonia_per_normal * normal))
    return ill, normal + ill


def _order(training: Radiographs, recipe: Recipe, generator: torch.Generator) -> Tensor:
    normal = torch.from_numpy(np.flatnonzero(~training.pneumonia))
    ill = torch.from_numpy(np.flatnonzero(training.pneumonia))
    drawn = ill[torch.randperm(len(ill), generator=generator)[: _drawn(training, recipe)[0]]]
    together = torch.cat([normal, drawn])
    return together[torch.randperm(len(together), generator=generator)]


@torch.no_grad()
def _average(average: RadiographNetwork, network: RadiographNetwork, decay: float) -> None:
    values = network.state_dict()
    for name, mean in average.state_dict().items():
        if mean.is_floating_point():
            mean.lerp_(values[name], 1 - decay)
