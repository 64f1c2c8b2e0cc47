"""Measures of a binary classifier, each with a 95 % interval from resampling patients.

Images of one patient are not independent, so the bootstrap draws patients with replacement and
takes all their images (Efron, Tibshirani, "An Introduction to the Bootstrap", 1993).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]
Measure = Callable[[Labels, Floats, Floats], float]
"""(labels, probabilities, weights) → value."""

ECE_BINS = 10
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scored:
    """Images with their labels, calibrated probabilities and patients, in parallel."""

    pneumonia: Labels
    probability: Floats
    patients: NDArray[np.str_]

    @property
    def weights(self) -> Floats:
        """Weights that give both classes the same total, whatever the sample's mix."""
        ill = self.pneumonia.mean()
        return np.asarray(np.where(self.pneumonia, 0.5 / ill, 0.5 / (1 - ill)))


def auc(labels: Labels, scores: Floats, _weights: Floats | None = None) -> float:
    """Area under the ROC curve: the Mann-Whitney statistic, ties counting half."""
    ranks = rankdata(scores)
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative:
        return float("nan")
    above = ranks[labels].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def sensitivity_at(threshold: float) -> Measure:
    """Share of the ill at or above the threshold."""
    return lambda labels, scores, _: float((scores[labels] >= threshold).mean())


def specificity_at(threshold: float) -> Measure:
    """Share of the healthy below the threshold."""
    return lambda labels, scores, _: float((scores[~labels] < threshold).mean())


def expected_calibration_error(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean over ten equal bins of |mean probability - share of ill|, weighted by what is in them."""
    bins = np.minimum((probabilities * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, weights * (probabilities - labels), ECE_BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def brier(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean squared difference of probability and truth."""
    return float(np.average((probabilities - labels) ** 2, weights=weights))


def estimate(scored: Scored, measure: Measure, seed: int = 0) -> Estimate:
    """Return the measure on the sample with its percentile interval over patients."""
    rng = np.random.default_rng(seed)
    weights = scored.weights
    patients, member = np.unique(scored.patients, return_inverse=True)
    images = np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(patients), size=len(patients))
        index = np.concatenate([images[patient] for patient in drawn])
        values.append(measure(scored.pneumonia[index], scored.probability[index], weights[index]))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return Estimate(measure(scored.pneumonia, scored.probability, weights), float(low), float(high))


def mean_estimate(values: Floats, seed: int = 0) -> Estimate:
    """Return a mean with its percentile interval over independent items."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))
