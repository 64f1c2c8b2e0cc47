"""What can go wrong with an engine.

InferenceError
└── EngineError
    ├── EngineUnavailable   the engine asked for is not installed, or lacks its device
    ├── WeightsUnreadable   the weights are no graph that this engine can run
    ├── WrongInput          a batch whose shape or type is not what the graph takes
    └── EngineFailure       the runtime failed while it ran; trying again may help
"""

from __future__ import annotations

from inference.errors import InferenceError


class EngineError(InferenceError):
    """Root of the engines' errors; ``category`` is one of docs/architecture.md's."""

    category = "exception"


class EngineUnavailable(EngineError):
    category = "not-supported"


class WeightsUnreadable(EngineError):
    category = "exception"


class WrongInput(EngineError):
    category = "invalid"


class EngineFailure(EngineError):
    category = "transient"
