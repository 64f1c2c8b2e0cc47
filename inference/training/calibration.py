"""What is set after training, on radiographs that are used for nothing else: temperature, threshold."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from inference.training.measures import Floats, Labels

SENSITIVITY_WANTED = 0.95


def fit_temperature(logits: Floats, labels: Labels, weights: Floats) -> float:
    """Return the temperature of least weighted log loss (Guo et al., ICML 2017)."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.average(np.logaddexp(0, scaled) - labels * scaled, weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def choose_threshold(probabilities: Floats, labels: Labels) -> float:
    """Return the highest threshold (two digits) at which at least 95 % of the ill are found.

    Given clean and shifted radiographs together, it holds for images from elsewhere too.
    """
    found = np.quantile(probabilities[labels], 1 - SENSITIVITY_WANTED)
    return float(np.clip(np.floor(found * 100) / 100, 0.05, 0.95))
