"""Training items: what a network is shown of a clip, step by step, and what it should say of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from halsie_ros.datasets.samples import Sample
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts
from halsie_ros.segmentation.pipeline import step_count
from halsie_ros.segmentation.restoration import carry, restore
from training.segmentation.appearance import Appearance
from training.segmentation.augment import AugmentConfig, Damage, View, class_shares, inside, random_colours, seen_box


class ClipItem(NamedTuple):
    """One item of T steps; a batch is the same, with the items along a first axis ``B``.

    Attributes:
        frames: ``(T, 3, h, w)`` RGB, 0 … 1 in float32 or 0 … 255 in uint8; zeros in steps without one.
        events: ``(T, 2*bins, h, w)`` counts per polarity and bin.
        dt_us: length of each step, ``(T,)`` float32.
        frame_valid: ``(T,)``, 1 where a frame is seen.
        continues: ``(T,)``, 1 where a step goes on from the one before.
        shares: ``(T, classes, h/cell, w/cell)``, the share of each class in a cell, adding up to less than 1 where
            pixels have no label, to 0 in steps without one.
        clean: as ``frames``, as they would be without damage or loss, for a teacher; ``(T, 0)`` without one.
    """

    frames: Tensor
    events: Tensor
    dt_us: Tensor
    frame_valid: Tensor
    continues: Tensor
    shares: Tensor
    clean: Tensor

    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of a batch of `in_bytes`, what the network takes: frames, events, lengths and where frames are; time first,
        in float32."""
        frames, events, dt_us, valid = (
            one.transpose(0, 1) for one in (self.frames, self.events, self.dt_us, self.frame_valid)
        )
        return frames / 255, events.float(), dt_us, valid


def stacked(items: Sequence[ClipItem]) -> ClipItem:
    """A batch of items."""
    return ClipItem(*(torch.stack(parts) for parts in zip(*items)))


def in_bytes(item: ClipItem) -> ClipItem:
    """The same in a quarter of the memory: frames are multiples of 1/255 and become uint8 without loss, and so do
    counts up to 255; larger ones become 255."""
    frames, clean = ((one * 255).round().to(torch.uint8) for one in (item.frames, item.clean))
    return item._replace(frames=frames, clean=clean, events=item.events.clamp(max=255).to(torch.uint8))


def make_item(
    sample: Sample,
    config: AugmentConfig,
    rng: np.random.Generator,
    *,
    classes: int,
    bins: int,
    bin_us: int,
    cell: int = 4,
    clean: bool = False,
) -> ClipItem:
    """A training item of T steps, in float32; see `in_bytes`.

    Args:
        sample: a clip.
        config: what happens to it.
        rng: decides what happens.
        classes: number of classes, and of groups behind them.
        bins: of the network's event grid.
        bin_us: length of a bin.
        cell: shares are of cells of ``cell`` x ``cell`` pixels.
        clean: whether undamaged frames are wanted.
    """
    height, width = config.crop
    views = [View.random(sample.frames.shape[1:3], config, rng)] * config.steps
    windows = [(start, end, frame) for start, end, frame in cut_windows(sample, config, rng, bins * bin_us)]
    windows = windows[-config.steps :]
    windows = [(windows[0][0], windows[0][0] + 1, None)] * (config.steps - len(windows)) + windows
    use_events, seen = lost_inputs(windows, config, rng)
    turns = [k for k in range(1, config.steps) if seen[k]]
    turn = turns[int(rng.integers(len(turns)))] if turns and rng.random() < config.view_change else 0
    views[:turn] = [View.random(sample.frames.shape[1:3], config, rng)] * turn
    frames = torch.zeros(config.steps, 3, height, width)
    events = torch.zeros(config.steps, 2 * bins, height, width)
    shares = torch.zeros(config.steps, classes, height // cell, width // cell)
    undamaged = torch.zeros_like(frames) if clean else None
    damage = Damage.random(sample, rng) if rng.random() < config.damage else None
    colours = random_colours(config.jitter, rng) if config.jitter else None
    look = Appearance.random(rng) if config.appearance and rng.random() < config.appearance else None
    box = seen_box(views, sample.frames.shape[1:3])
    known = None
    for k, ((start, end, index), view) in enumerate(zip(windows, views)):
        now = sample.events.between(start, end) if use_events else Events.empty()
        grid = {"t0_us": start, "bin_us": bin_us, "bins": bins, "height": height, "width": width}
        bin_counts(view.events(now), **grid, out=events[k].numpy())
        if known is not None:
            known = carry(known, inside(now, box))
        if index is None:
            continue
        shares[k] = class_shares(view.labels(sample.labels[index]), classes, cell)
        if not seen[k] and undamaged is None:
            continue
        image = sample.frames[index]
        image = np.repeat(image[:, :, None], 3, 2) if image.ndim == 2 else image
        if colours is not None:
            image = np.stack([colours[channel][image[:, :, channel]] for channel in range(3)], 2)
        if undamaged is not None:
            undamaged[k] = torch.from_numpy(view.image(image)).permute(2, 0, 1) / 255
        if not seen[k]:
            continue
        known = restore(image[box] if damage is None else damage.apply(image[box], rng), known, end)
        if damage or known.weight < 1:
            image = image.copy()
            image[box] = np.rint(known.image * 255).astype(np.uint8).transpose(1, 2, 0)
        picture = view.image(image)
        if look is not None:
            picture = look.apply(picture, rng)
        frames[k] = torch.from_numpy(picture).permute(2, 0, 1) / 255
    return ClipItem(
        frames=frames,
        events=events,
        dt_us=torch.tensor([float(end - start) for start, end, _ in windows]),
        frame_valid=torch.tensor(seen, dtype=torch.float32),
        continues=torch.tensor([float(k not in (0, turn)) for k in range(config.steps)]),
        shares=shares,
        clean=torch.zeros(config.steps, 0) if undamaged is None else undamaged,
    )


def make_independent_frames(
    samples: Sequence[Sample], config: AugmentConfig, rng: np.random.Generator, **shape: Any
) -> ClipItem:
    """An item as `make_item` gives it (`shape`: its other arguments) whose steps show one clip's last frame each.

    The steps do not continue each other, and there are no events.
    """
    alone = float("events" in config.inputs)
    single = replace(
        config, steps=1, only_frames=alone, only_events=0.0, blackout=0.0, drop=0.0, view_change=0.0, window_split=0.0
    )
    pages = [make_item(sample, single, rng, **shape) for sample in samples]
    return ClipItem(*(torch.cat(parts) for parts in zip(*pages)))


def cut_windows(
    sample: Sample, config: AugmentConfig, rng: np.random.Generator, longest_us: int
) -> list[tuple[int, int, int | None]]:
    """Steps as (start, end, frame at the end or None): windows cut as the pipeline does, and at random besides."""
    steps: list[tuple[int, int, int | None]] = []
    for k in range(len(sample)):
        start, end = sample.bounds_us(k)
        if rng.random() < config.window_split and end - start <= 2 * longest_us:
            edges = [start, int(start + (end - start) * rng.uniform(0.15, 0.85)), end]
        else:
            edges = [start, end]
        fine = [start]
        for left, right in itertools.pairwise(edges):
            count = step_count(right - left, longest_us)
            fine += [left + (right - left) * part // count for part in range(1, count + 1)]
        steps += [(left, right, k if right == end else None) for left, right in itertools.pairwise(fine)]
    return steps


def lost_inputs(
    windows: list[tuple[int, int, int | None]], config: AugmentConfig, rng: np.random.Generator
) -> tuple[bool, list[bool]]:
    """Whether the clip has events, and which steps see a frame."""
    with_frame = [k for k, window in enumerate(windows) if window[2] is not None]
    seen = set(with_frame) if "frames" in config.inputs else set()
    use_events = "events" in config.inputs
    draw = rng.random()
    edges = np.cumsum((config.only_frames, config.only_events, config.blackout, config.drop))
    if draw < edges[0]:
        use_events = False
    elif draw < edges[1]:
        seen = set()
    elif draw < edges[2] and len(with_frame) > 1:
        seen = set(with_frame[: int(rng.integers(1, len(with_frame)))])
    elif draw < edges[3]:
        seen = {k for k in seen if rng.random() >= 0.3}
    return use_events, [k in seen for k in range(len(windows))]
