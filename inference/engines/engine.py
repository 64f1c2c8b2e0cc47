"""What an engine is: weights made ready once, answering batches until it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.engines.errors import WrongInput

Batch = NDArray[np.float32]
"""(n, channels, rows, columns)."""
Outputs = Mapping[str, NDArray[np.float32]]
"""The graph's outputs by name; the first axis of each is the batch's."""


@dataclass(frozen=True, slots=True)
class InputShape:
    """One item of a batch, as the graph declares it."""

    channels: int
    rows: int
    columns: int

    def check(self, batch: Batch) -> None:
        """Raise WrongInput unless the batch is float32, not empty and of this shape."""
        expected = (self.channels, self.rows, self.columns)
        if batch.dtype != np.float32 or batch.ndim != 4 or batch.shape[1:] != expected:
            raise WrongInput(
                f"a batch must be float32 of shape (n, {', '.join(map(str, expected))})"
            )
        if len(batch) == 0:
            raise WrongInput("a batch must hold at least one item")


class Engine(Protocol):
    """Runs one ONNX graph with one input. Not to be called from two threads at once."""

    @property
    def name(self) -> str:
        """`onnx` or `torch`."""

    @property
    def device(self) -> str:
        """`cpu`, or `cuda` with the device's number."""

    @property
    def input_shape(self) -> InputShape:
        """What every item must measure."""

    def run(self, batch: Batch) -> Outputs:
        """Run the graph on 1 or more items.

        Raises:
            WrongInput: items that do not measure `input_shape`.
            EngineFailure: the runtime could not run it.
        """
