"""Segmentation figures from global counts, and how sure one can be of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halsie_ros.errors import ParameterError


def confusion(mask: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """(C, C) int64 pixel counts, [label, mask]; pixels whose label is no class id count for nothing.

    Args:
        mask: ids that were found, uint8, all below `classes`.
        label: true ids of the same shape, uint8.
        classes: number of classes C.

    Raises:
        ParameterError: the shapes differ, or the mask holds an id that is no class.
    """
    if mask.shape != label.shape:
        raise ParameterError(f"a mask of shape {mask.shape} against a label of shape {label.shape}: sizes must agree")
    known = label < classes
    found = mask[known].astype(np.int64)
    if found.size and found.max() >= classes:
        raise ParameterError(f"the mask holds class {found.max()}, the labels have {classes} classes: another model?")
    counts = np.bincount(label[known].astype(np.int64) * classes + found, minlength=classes * classes)
    return counts.reshape(classes, classes)


@dataclass(frozen=True)
class Scores:
    """Figures of one confusion matrix.

    Attributes:
        miou: mean intersection over union of the classes that occur in the labels.
        accuracy: share of the labelled pixels that are right.
        iou: (C,) float64, NaN for a class that no label holds.
    """

    miou: float
    accuracy: float
    iou: np.ndarray


def scores(counts: np.ndarray) -> Scores:
    """Figures from (C, C) counts [label, mask], summed over all frames (not a mean of the frames' figures)."""
    right = np.diagonal(counts)
    return scores_of_sums(right, counts.sum(1), counts.sum(0))


def scores_of_sums(right: np.ndarray, labelled: np.ndarray, found: np.ndarray) -> Scores:
    """Figures from per-class sums (C,): pixels right, pixels labelled, pixels found."""
    iou = _iou(right, labelled, found)
    total = labelled.sum()
    miou = float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")
    return Scores(miou, float(right.sum() / total) if total else float("nan"), iou)


def _iou(right: np.ndarray, labelled: np.ndarray, found: np.ndarray) -> np.ndarray:
    union = labelled + found - right
    return np.where(labelled > 0, right / np.maximum(union, 1), np.nan)


def _resampled_miou(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """mIoU (D,) of draws: `sums` (N, 3, C), `weights` (D, N) how often each frame was drawn."""
    drawn = np.einsum("dn,nkc->dkc", weights, sums)
    iou = _iou(drawn[:, 0], drawn[:, 1], drawn[:, 2])
    present = np.isfinite(iou)
    result: np.ndarray = np.where(present, iou, 0).sum(1) / np.maximum(present.sum(1), 1)
    return result


def _weights(frames: int, draws: int, seed: int) -> np.ndarray:
    """(D, N) counts: every draw takes N frames with repetition."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(frames, np.full(frames, 1 / frames), size=draws).astype(np.float64)


def bootstrap_miou(sums: np.ndarray, *, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mIoU when the frames are drawn anew (percentile bootstrap, Efron 1979).

    Args:
        sums: (N, 3, C) per frame and class: pixels right, labelled, found.
        draws: resamplings.
        seed: of the draws.
    """
    values = _resampled_miou(np.asarray(sums, float), _weights(len(sums), draws, seed))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_difference(
    first: np.ndarray, second: np.ndarray, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """mIoU of `second` minus `first` on the same frames, with its 95 % interval; both are drawn alike (paired).

    Raises:
        ParameterError: they do not hold the same number of frames.
    """
    if len(first) != len(second):
        raise ParameterError(f"{len(first)} frames against {len(second)}: a paired comparison needs the same frames")
    weights = _weights(len(first), draws, seed)
    first, second = np.asarray(first, float), np.asarray(second, float)
    values = _resampled_miou(second, weights) - _resampled_miou(first, weights)
    whole = np.ones((1, len(first)))
    low, high = np.percentile(values, [2.5, 97.5])
    return float((_resampled_miou(second, whole) - _resampled_miou(first, whole))[0]), float(low), float(high)
