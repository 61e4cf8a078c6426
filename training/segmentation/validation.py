"""How well a network segments validation clips: stepped as the pipeline steps, counted as evaluation counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from halsie_ros.datasets.samples import Sample
from halsie_ros.evaluation import metrics
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts
from halsie_ros.segmentation.restoration import carry, restore
from training.networks.halsie import STATES, SegmentationNetwork
from training.segmentation.augment import AugmentConfig
from training.segmentation.export import BIN_US
from training.segmentation.items import cut_windows
from training.segmentation.sources import ClipSource


class Seen(NamedTuple):
    """What a network is shown of a clip.

    Attributes:
        inputs: "frames", "events" or both.
        lost: how many of the last frames do not come.
    """

    inputs: tuple[str, ...]
    lost: int = 0


def measured(
    network: SegmentationNetwork,
    clips: ClipSource,
    stride: int,
    views: Sequence[Seen],
    classes: int,
    ids: Callable[[np.ndarray], np.ndarray] | None = None,
) -> list[metrics.Scores]:
    """Figures of the last frame of each validation clip, pixels of all clips together.

    Args:
        network: in evaluation.
        clips: each as validation has it, without any chance.
        stride: every `stride`-th clip is taken.
        views: what the network is shown.
        classes: number of classes that are counted.
        ids: from ids of masks and labels to those of the classes that are counted; None: the same.

    Returns:
        Scores of each of `views`.
    """
    counts = [np.zeros((classes, classes), np.int64) for _ in views]
    for index in range(0, len(clips), stride):
        sample = clips.sample(index, None)
        for total, seen in zip(counts, views):
            mask, label = run_clip(network, sample, *seen), sample.labels[-1]
            if ids is not None:
                mask, label = ids(mask), ids(label)
            total += metrics.confusion(mask, label, classes)
    return [metrics.scores(total) for total in counts]


@torch.no_grad()
def run_clip(network: SegmentationNetwork, sample: Sample, inputs: tuple[str, ...], lost: int = 0) -> np.ndarray:
    """The mask ``(H, W)`` at a clip's end, stepped as the pipeline does; the last ``lost`` frames do not come."""
    device = next(network.parameters()).device
    height, width = sample.labels.shape[1:]
    multiple = network.size_multiple
    padded = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    config = AugmentConfig(window_split=0.0)
    bins = network.config.bins
    state: tuple[Tensor | None, ...] = (None,) * len(STATES)
    scores, known = torch.empty(0), None
    for start, end, index in cut_windows(sample, config, np.random.default_rng(0), bins * BIN_US):
        events = torch.zeros(1, 2 * bins, *padded)
        now = sample.events.between(start, end) if "events" in inputs else Events.empty()
        grid = {"t0_us": start, "bin_us": BIN_US, "bins": bins, "height": padded[0], "width": padded[1]}
        bin_counts(now, **grid, out=events[0].numpy())
        known = carry(known, now)
        seen = index is not None and index < len(sample) - lost and "frames" in inputs
        image = torch.zeros(1, 3, *padded)
        if seen:
            known = restore(sample.frames[index], known, end)
            frame = torch.from_numpy(known.image)[None]
            image = F.pad(frame, (0, padded[1] - width, 0, padded[0] - height), "replicate")
        scores, state, _, _ = network.step(
            events.to(device),
            torch.tensor([float(end - start)], device=device),
            torch.tensor([float(seen)], device=device),
            network.frame(image.to(device)),
            state,
        )
    full = F.interpolate(scores.float(), scale_factor=4.0, mode="bilinear", align_corners=False)
    return full[0, :, :height, :width].argmax(0).cpu().numpy()
