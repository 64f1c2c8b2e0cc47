"""How far an image is from the radiographs of the training: a Mahalanobis distance of pooled features.

Features of early, middle and late blocks are pooled and joined; the distance is taken within their
principal directions, and what lies outside them counts too, by its own spread.
Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Novelty:
    """distance(features) = |(features - mean) @ whitening|, about 1 for a training image."""

    mean: Floats
    """(features,)."""
    whitening: Floats
    """(features, features)."""


def fit_novelty(features: Floats) -> Novelty:
    """Fit to (n, features) of in-distribution images."""
    estimate = LedoitWolf().fit(features.astype(np.float64))
    values, vectors = np.linalg.eigh(estimate.covariance_)
    whitening = vectors / np.sqrt(values * len(values))
    return Novelty(
        estimate.location_.astype(np.float32), np.ascontiguousarray(whitening, dtype=np.float32)
    )
