"""Losses of segmentation beside the cross entropy: overlap of classes, what a teacher says, how the memory moves."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from training.networks.halsie import warp


class FrameNetwork(Protocol):
    """What a teacher is asked for."""

    def frame(self, image: Tensor) -> Tensor:
        """RGB in 0 … 1, ``(N, 3, H, W)``, to scores ``(N, C, H/4, W/4)``."""


def soft_iou(predicted: Tensor, shares: Tensor, items: int, groups: tuple[tuple[int, ...], ...] = ()) -> Tensor:
    """Soft intersection over union of each item, the mean over the classes, and groups of classes, that occur in it.

    Args:
        predicted: class probabilities ``(T*B, C, h, w)``, those of groups behind them.
        shares: true shares of the same, adding up to less than 1 where there is no label, of the same shape.
        items: B.
        groups: ids of each group's classes: what is labelled as a group counts neither for nor against its classes.

    Returns:
        ``(B,)``; 1 for an item without any label.
    """
    present = shares.sum((2, 3))
    known = shares.sum(1, keepdim=True)
    if groups:
        belongs, counts = (one.to(shares) for one in _relations(shares.shape[1], groups))
        known = torch.einsum("ij,njhw->nihw", counts, shares)
        shares = torch.einsum("ij,njhw->nihw", belongs, shares)
    both = (predicted * shares).sum((2, 3))
    either = (predicted * known).sum((2, 3)) + shares.sum((2, 3)) - both
    both, either, present = (one.view(-1, items, one.shape[1]).sum(0) for one in (both, either, present))
    occurs = (present > 0).float()
    iou = occurs * both / either.clamp(min=1e-6)
    return torch.where(occurs.sum(1) > 0, iou.sum(1) / occurs.sum(1).clamp(min=1), 1.0)


def _relations(size: int, groups: tuple[tuple[int, ...], ...]) -> tuple[Tensor, Tensor]:
    """Of classes and groups, ``(size, size)``: whether label j is of kind i, and whether it says if a pixel is."""
    first = size - len(groups)
    sets = [{place} for place in range(first)] + [set(group) for group in groups]
    belongs = torch.tensor([[float(label <= kind) for label in sets] for kind in sets])
    decided = torch.tensor([[float(label <= kind or not label & kind) for label in sets] for kind in sets])
    return belongs, decided


def motion_error(shares: Tensor, moves: Tensor, continues: Tensor) -> Tensor:
    """How far labels that are moved along with the memory miss the present labels.

    Args:
        shares: of the classes at the memory's stride, ``(T, B, C, h, w)``, 0 where there is no label.
        moves: where each cell comes from, ``(T, B, 2, h, w)``, see `training.networks.halsie.warp`.
        continues: 1 where a step goes on from the one before, 0 where it does not, ``(T, B)``.

    Returns:
        ``(B,)``: the mean absolute difference over cells that change or should, times the classes; in steps without a
        label the last ones move on.
    """
    carried, valid = shares[0], (shares[0].sum((1, 2, 3)) > 0).float()
    error, weight = shares.new_zeros(shares.shape[1]), shares.new_zeros(shares.shape[1])
    for now, move, goes_on in zip(shares[1:], moves[1:].float(), continues[1:]):
        before, carried = carried, warp(carried, move)
        labelled = (now.sum((1, 2, 3)) > 0).float()
        both = ((now.sum(1) > 0.99) & (before.sum(1) > 0.99)).float()
        area = ((now - before).abs().sum(1) > 0.02).float() * both
        counts = labelled * valid * goes_on
        error = error + counts * (area * (carried - now).abs().sum(1)).sum((1, 2))
        weight = weight + counts * area.sum((1, 2))
        known = labelled.view(-1, 1, 1, 1)
        carried = known * now + (1 - known) * carried
        valid = torch.maximum(labelled, valid * goes_on)
    return error / weight.clamp(min=1.0)


def distillation_loss(scores: Tensor, clean: Tensor, teacher: FrameNetwork, most: int = 0) -> Tensor:
    """Kullback-Leibler divergence of scores from the teacher's, the mean over cells of the steps that have a frame.

    Args:
        scores: ``(N, C, H/4, W/4)``.
        clean: undamaged frames ``(N, 3, H, W)``, zeros for steps without one.
        teacher: in evaluation; its ``frame`` gives scores.
        most: at most so many frames, drawn at random, are shown to the teacher; 0 for all.
    """
    rows = (clean.amax((1, 2, 3)) > 0).nonzero().flatten()
    if len(rows) == 0:
        return scores.sum() * 0
    if most:
        rows = rows[torch.randperm(len(rows))[:most].to(rows.device)]
    with torch.no_grad():
        wanted = F.log_softmax(teacher.frame(clean[rows]).float(), 1)
    divergence = F.kl_div(F.log_softmax(scores[rows], 1), wanted, reduction="sum", log_target=True)
    return divergence / (len(rows) * scores.shape[2] * scores.shape[3])
