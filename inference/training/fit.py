"""The training loop: head first, then everything that is not frozen; weights averaged as it goes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from inference.models.chest_xray_pneumonia.preprocess import Preprocessing
from inference.training.augmentation import augment
from inference.training.network import Radiograph
from inference.training.radiographs import Radiographs


@dataclass(frozen=True, slots=True)
class Recipe:
    epochs: int = 12
    batch: int = 32
    backbone_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    average_decay: float = 0.995
    frozen_blocks: int = 3
    pneumonia_per_normal: float = 1.6
    smoothing: float = 0.03
    seed: int = 7
    coarse_px: int = 160
    coarse_epochs: int = 5


def fit(training: Radiographs, preprocessing: Preprocessing, recipe: Recipe, report: Callable[[int, Radiograph, float], None]) -> Radiograph:
    torch.manual_seed(recipe.seed)
    g = torch.Generator().manual_seed(recipe.seed)
    network = Radiograph(recipe.frozen_blocks).to(memory_format=torch.channels_last)
    head = [network.weight, network.bias]
    body = [p for n, p in network.named_parameters() if p.requires_grad and n not in ("weight", "bias")]
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": 0.0, "peak": recipe.backbone_rate}, {"params": head, "lr": 0.0, "peak": recipe.head_rate}],
        weight_decay=recipe.weight_decay,
    )
    average = copy.deepcopy(network).eval()
    normal = torch.from_numpy(np.flatnonzero(~training.pneumonia))
    ill = torch.from_numpy(np.flatnonzero(training.pneumonia))
    drawn = min(len(ill), round(recipe.pneumonia_per_normal * len(normal)))
    steps = (len(normal) + drawn) // recipe.batch
    total = steps * recipe.epochs
    step = 0
    for epoch in range(recipe.epochs):
        started = time.perf_counter()
        side = recipe.coarse_px if epoch < recipe.coarse_epochs else preprocessing.input_px
        network.train()
        chosen = torch.cat([normal, ill[torch.randperm(len(ill), generator=g)[:drawn]]])
        chosen = chosen[torch.randperm(len(chosen), generator=g)]
        losses = []
        for at in range(steps):
            index = chosen[at * recipe.batch : (at + 1) * recipe.batch].numpy()
            pixels = torch.from_numpy(training.images[index]).float()[:, None] / 255
            targets = torch.from_numpy(training.pneumonia[index]).float()
            batch = augment(pixels, targets, preprocessing, side, g)
            for group in optimiser.param_groups:
                warm = min(1.0, step / (0.5 * steps))
                if group["peak"] == recipe.backbone_rate:
                    warm = min(1.0, max(0.0, step / (0.5 * steps) - 0.3))
                group["lr"] = group["peak"] * warm * 0.5 * (1 + math.cos(math.pi * step / total))
            soft = batch.targets * (1 - 2 * recipe.smoothing) + recipe.smoothing
            loss = F.binary_cross_entropy_with_logits(network(batch.inputs.contiguous(memory_format=torch.channels_last)), soft)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(body + head, 2.0)
            optimiser.step()
            step += 1
            decay = min(recipe.average_decay, step / (step + 20))
            with torch.no_grad():
                for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                    if mean.is_floating_point():
                        mean.lerp_(value, 1 - decay)
            losses.append(float(loss))
        print(f"epoch {epoch + 1} loss {np.mean(losses):.3f} {time.perf_counter() - started:.0f} s", flush=True)
        report(epoch, average, float(np.mean(losses)))
    return average
