"""The model card's plots, as small PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from sklearn.metrics import roc_curve

from inference.training.evaluation import Condition, Settings
from inference.training.measures import ECE_BINS

SIZE_INCHES = (4.2, 4.0)
DPI = 90


def roc_figure(reported: Sequence[Condition], path: Path) -> None:
    """ROC curves: clean in colour, each shift thin."""
    figure, axes = plt.subplots(figsize=SIZE_INCHES)
    for condition in reversed(reported):
        false, true, _ = roc_curve(condition.radiographs.pneumonia, condition.raw.logit)
        clean = condition.name == "clean"
        axes.plot(
            false,
            true,
            color="tab:blue" if clean else "0.6",
            linewidth=2 if clean else 0.8,
            label=condition.name if clean else None,
        )
    axes.plot([], [], color="0.6", linewidth=0.8, label="each shift")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 0.5), ylim=(0.5, 1.005))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    _save(figure, path)


def reliability_figure(conditions: Sequence[Condition], settings: Settings, path: Path) -> None:
    """Share of ill over predicted probability, both classes weighted alike."""
    figure, axes = plt.subplots(figsize=SIZE_INCHES)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for condition in conditions:
        scored = condition.scored(settings.temperature)
        bins = np.minimum((scored.probability * ECE_BINS).astype(int), ECE_BINS - 1)
        total = np.bincount(bins, scored.weights, ECE_BINS)
        filled = total > 0
        predicted = np.bincount(bins, scored.weights * scored.probability, ECE_BINS)
        ill = np.bincount(bins, scored.weights * scored.pneumonia, ECE_BINS)
        axes.plot(
            predicted[filled] / total[filled],
            ill[filled] / total[filled],
            marker="o",
            label=condition.name,
        )
    axes.set(
        xlabel="predicted probability", ylabel="share with pneumonia", xlim=(0, 1), ylim=(0, 1)
    )
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    _save(figure, path)


def faithfulness_figure(curves: Mapping[str, Any], path: Path) -> None:
    """Mean probability while cells are removed (left) and shown (right) in the order of each map."""
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
    for axes, kind in zip(panels, ("deletion", "insertion"), strict=True):
        for name, followed in curves.items():
            axes.plot(np.linspace(0, 1, len(followed[kind])), followed[kind], label=name)
        axes.set(title=kind, xlabel="share of the image")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("probability of pneumonia")
    panels[0].legend()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
