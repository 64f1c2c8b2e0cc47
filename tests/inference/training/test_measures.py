"""Measures and calibration, held to definitions and to scikit-learn."""

# ruff: noqa: E402 - what is tested is imported after the look for the extras
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra: train")
metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra: train")

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.training.calibration import choose_threshold, fit_temperature
from inference.training.measures import (
    Scored,
    auc,
    estimate,
    expected_calibration_error,
    sensitivity_at,
    specificity_at,
)


def drawn(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times too large, and labels drawn from the true ones."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, n)
    labels = rng.random(n) < 1 / (1 + np.exp(-true))
    return true * temperature, labels


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_auc_is_scikit_learns_ties_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.r_[True, False, rng.random(60) < 0.4]
    scores = rng.integers(0, 8, 62).astype(float)
    assert auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logits, labels = drawn(20_000, temperature)
    found = fit_temperature(logits, labels, np.ones(len(labels)))
    assert found == pytest.approx(temperature, rel=0.07)


def test_calibrated_probabilities_have_next_to_no_calibration_error() -> None:
    logits, labels = drawn(50_000, 1.0)
    ones = np.ones(len(labels))
    assert expected_calibration_error(labels, 1 / (1 + np.exp(-logits)), ones) < 0.01
    assert expected_calibration_error(labels, 1 / (1 + np.exp(-4 * logits)), ones) > 0.1


def test_the_threshold_finds_95_percent_of_the_ill_and_a_higher_one_does_not() -> None:
    logits, labels = drawn(5_000, 1.0)
    probabilities = 1 / (1 + np.exp(-logits))
    threshold = choose_threshold(probabilities, labels)
    assert sensitivity_at(threshold)(labels, probabilities, labels) >= 0.95
    assert sensitivity_at(threshold + 0.01)(labels, probabilities, labels) < 0.95


def test_sensitivity_and_specificity_count_the_threshold_itself_as_present() -> None:
    labels = np.array([True, True, False, False])
    scores = np.array([0.5, 0.4, 0.5, 0.1])
    assert sensitivity_at(0.5)(labels, scores, scores) == 0.5
    assert specificity_at(0.5)(labels, scores, scores) == 0.5


def test_images_of_one_patient_widen_the_interval() -> None:
    logits, labels = drawn(60, 1.0)
    probabilities = 1 / (1 + np.exp(-logits))
    alone = np.array([f"p{index}" for index in range(60)])

    def width(copies: int) -> float:
        scored = Scored(
            np.tile(labels, copies), np.tile(probabilities, copies), np.tile(alone, copies)
        )
        value = estimate(scored, auc)
        assert value.low <= value.value <= value.high
        return value.high - value.low

    assert width(10) == pytest.approx(width(1), rel=0.15)
