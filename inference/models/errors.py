"""What can go wrong with a model's files.

InferenceError
└── ModelError
    ├── UnknownModel     no model of that name (and version) is installed
    ├── ManifestInvalid  model.json is missing something, or says something impossible
    └── WeightsChanged   the weights are not the ones that the manifest names
"""

from __future__ import annotations

from inference.errors import InferenceError


class ModelError(InferenceError):
    """Root of the models' errors; ``category`` is one of docs/architecture.md's."""

    category = "exception"


class UnknownModel(ModelError):
    category = "not-found"


class ManifestInvalid(ModelError):
    category = "exception"


class WeightsChanged(ModelError):
    category = "security"
