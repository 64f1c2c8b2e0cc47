"""Engines run a model's graph; which one is chosen does not change the answer."""

from inference.engines.batching import Answer, Batcher
from inference.engines.choice import EngineName, choose_engine, default_threads
from inference.engines.engine import Engine, InputShape, Outputs
from inference.engines.errors import (
    EngineError,
    EngineFailure,
    EngineUnavailable,
    WeightsUnreadable,
    WrongInput,
)

__all__ = [
    "Answer",
    "Batcher",
    "Engine",
    "EngineError",
    "EngineFailure",
    "EngineName",
    "EngineUnavailable",
    "InputShape",
    "Outputs",
    "WeightsUnreadable",
    "WrongInput",
    "choose_engine",
    "default_threads",
]
