"""From a clip to network inputs: crops, flips and scales of frame, events and label together, damage, lost inputs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from halsie_ros.datasets.samples import Sample
from halsie_ros.evaluation.degradations import READ_NOISE, blur
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts
from halsie_ros.kernels import njit
from halsie_ros.pictures.srgb import TO_LIGHT, to_codes
from halsie_ros.segmentation.pipeline import step_count
from halsie_ros.segmentation.restoration import carry, restore
from training.core.command import TrainingError
from training.segmentation.appearance import Appearance


@dataclass(frozen=True)
class AugmentConfig:
    """What happens to training clips.

    Attributes:
        crop: height and width that the network sees.
        scale: range of the random zoom.
        steps: network steps per clip; the last ones of the clip are taken.
        window_split: probability that a window is cut in two at a random place, so that step lengths vary.
        inputs: what the network may see: frames, events or both.
        only_frames: probability of a clip without events; with `only_events` it makes each sense work alone.
        only_events: probability of a clip without any frame.
        blackout: probability that frames end within the clip.
        drop: probability that a clip loses single frames (each with 0.3).
        damage: probability that a clip's frames are damaged: dark, over-exposed or blurred alike. Where there are
            events, they restore bad frames, damaged ones or the recording's own, as they do in the pipeline.
        view_change: probability that the clip's first steps show another view, so that a frame overrules the memory.
        independent_frames: probability that every step of a clip shows another picture, without events: more pictures
            are seen per batch, and frames learn to overrule the memory.
        jitter: spread of a clip's random gamma, brightness and colour (natural logarithm), 0 for none.
        appearance: probability that a clip looks as another lens, sensor or codec would show it, see `appearance`.
    """

    crop: tuple[int, int] = (256, 352)
    scale: tuple[float, float] = (0.75, 1.15)
    steps: int = 4
    window_split: float = 0.25
    inputs: tuple[str, ...] = ("frames", "events")
    only_frames: float = 0.1
    only_events: float = 0.08
    blackout: float = 0.3
    drop: float = 0.1
    damage: float = 0.4
    view_change: float = 0.0
    independent_frames: float = 0.0
    jitter: float = 0.0
    appearance: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "crop", tuple(self.crop))
        object.__setattr__(self, "scale", tuple(self.scale))
        object.__setattr__(self, "inputs", tuple(self.inputs))
        if not self.inputs or set(self.inputs) - {"frames", "events"}:
            raise TrainingError(f"augment.inputs is {self.inputs}: give frames, events or both")
        shares = ("only_frames", "only_events", "blackout", "drop", "damage")
        for name in ("window_split", *shares, "view_change", "independent_frames", "appearance"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"augment.{name} is {getattr(self, name)}: give a probability")
        if self.independent_frames and "frames" not in self.inputs:
            raise TrainingError(
                f"augment.independent_frames is {self.independent_frames}, but inputs has no frames: set it to 0"
            )
        if self.steps < 1:
            raise TrainingError(f"augment.steps is {self.steps}: give 1 or more")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise TrainingError(f"augment.scale is {self.scale}: give the smallest zoom, above 0, and the largest")
        if self.jitter < 0:
            raise TrainingError(f"augment.jitter is {self.jitter}: give 0 for none or more")
        if any(side % 32 for side in self.crop):
            raise TrainingError(f"augment.crop is {self.crop}: sides must be multiples of 32")
        if self.only_frames + self.only_events + self.blackout + self.drop > 1:
            raise TrainingError("augment: only_frames, only_events, blackout and drop add up to more than 1")
        if "frames" not in self.inputs and (self.only_frames or self.blackout or self.drop or self.damage):
            raise TrainingError("augment: frames are lost or damaged, but inputs has no frames: set those shares to 0")
        if "events" not in self.inputs and (self.only_frames or self.only_events):
            raise TrainingError("augment: only_frames or only_events, but inputs has no events: set those shares to 0")


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
) -> dict[str, Tensor]:
    """A training item of T steps.

    Returns:
        ``frames (T, 3, h, w)`` RGB 0 … 1, ``events (T, 2*bins, h, w)``, ``dt_us (T,)``, ``frame_valid (T,)``,
        ``continues (T,)``: 1 where a step goes on from the one before, and ``shares (T, classes, h/cell, w/cell)``:
        the share of each class in a cell of ``cell`` x ``cell`` pixels, adding up to less than 1 where pixels have no
        label, to 0 in steps without one. With `clean`, too, ``clean (T, 3, h, w)``: the frames as they would be without
        damage or loss.
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
    item = {
        "frames": frames,
        "events": events,
        "dt_us": torch.tensor([float(end - start) for start, end, _ in windows]),
        "frame_valid": torch.tensor(seen, dtype=torch.float32),
        "continues": torch.tensor([float(k not in (0, turn)) for k in range(config.steps)]),
        "shares": shares,
    }
    return item if undamaged is None else {**item, "clean": undamaged}


def make_independent_frames(
    samples: Sequence[Sample], config: AugmentConfig, rng: np.random.Generator, **shape: Any
) -> dict[str, Tensor]:
    """An item as `make_item` gives it (`shape`: its other arguments) whose steps show one clip's last frame each.

    The steps do not continue each other, and there are no events.
    """
    alone = float("events" in config.inputs)
    single = replace(
        config, steps=1, only_frames=alone, only_events=0.0, blackout=0.0, drop=0.0, view_change=0.0, window_split=0.0
    )
    pages = [make_item(sample, single, rng, **shape) for sample in samples]
    return {name: torch.cat([page[name] for page in pages]) for name in pages[0]}


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


def seen_box(views: Sequence[View], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a picture of ``size`` (H, W) outside of which no view shows anything."""
    parts = [view.source(size) for view in views]
    rows, columns = (
        slice(min(part[axis].start for part in parts), max(part[axis].stop for part in parts)) for axis in range(2)
    )
    return rows, columns


def inside(events: Events, box: tuple[slice, slice]) -> Events:
    """The events in a box of rows and columns, in its own pixels."""
    rows, columns = box
    kept = (events.y >= rows.start) & (events.y < rows.stop) & (events.x >= columns.start) & (events.x < columns.stop)
    return Events(
        events.x[kept] - events.x.dtype.type(columns.start), events.y[kept] - events.y.dtype.type(rows.start),
        events.t_us[kept], events.polarity[kept],
    )  # fmt: skip


@dataclass(frozen=True)
class View:
    """One crop for frames, events and labels alike: zoom, then crop at (top, left), then mirror."""

    zoom: float
    top: int
    left: int
    mirror: bool
    crop: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def random(cls, size: tuple[int, int], config: AugmentConfig, rng: np.random.Generator) -> View:
        """A random view of a picture of ``size`` (H, W); the crop may reach beyond a small picture."""
        zoom = float(rng.uniform(*config.scale))
        scaled = (round(size[0] * zoom), round(size[1] * zoom))
        top, left = (
            int(rng.integers(min(0, one - crop), max(0, one - crop) + 1)) for one, crop in zip(scaled, config.crop)
        )
        return cls(zoom, top, left, bool(rng.random() < 0.5), config.crop, scaled)

    def source(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of a picture of ``size`` (H, W) that the crop shows, a pixel more on each side."""
        rows, columns = (
            slice(
                int(np.clip(start / self.zoom - 1, 0, side - 1)),
                int(np.clip(np.ceil((start + crop) / self.zoom) + 1, 1, side)),
            )
            for start, crop, side in zip((self.top, self.left), self.crop, size)
        )
        return rows, columns

    def image(self, image: np.ndarray) -> np.ndarray:
        """``(H, W, 3) uint8`` to the crop ``(h, w, 3) uint8``; black beyond the picture."""
        tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
        scaled = F.interpolate(tensor, self.size, mode="bilinear", antialias=self.zoom < 1, align_corners=False)
        return self._place(scaled[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy(), 0)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """``(H, W) uint8`` ids to the crop, nearest; 255 beyond the picture."""
        rows = ((np.arange(self.size[0]) + 0.5) / self.size[0] * labels.shape[0]).astype(int)
        columns = ((np.arange(self.size[1]) + 0.5) / self.size[1] * labels.shape[1]).astype(int)
        return self._place(labels[rows][:, columns], 255)

    def events(self, events: Events) -> Events:
        """Events moved into the crop; those outside are dropped."""
        return Events(
            *_into_crop(
                events.x,
                events.y,
                events.t_us,
                events.polarity,
                self.zoom,
                self.top,
                self.left,
                self.mirror,
                *self.crop,
            )
        )

    def _place(self, picture: np.ndarray, fill: int) -> np.ndarray:
        height, width = self.crop
        out = np.full((height, width, *picture.shape[2:]), fill, np.uint8)
        part = picture[max(self.top, 0) : self.top + height, max(self.left, 0) : self.left + width]
        top, left = max(-self.top, 0), max(-self.left, 0)
        out[top : top + part.shape[0], left : left + part.shape[1]] = part
        return out[:, ::-1].copy() if self.mirror else out


@njit()
def _into_crop(
    x: np.ndarray, y: np.ndarray, t: np.ndarray, p: np.ndarray, zoom: float, top: int, left: int, mirror: bool,
    height: int, width: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The events of sensor pixels ``x, y`` that fall into the crop, at their places in it."""
    column, row, times, signs = np.empty_like(x), np.empty_like(y), np.empty_like(t), np.empty_like(p)
    kept = 0
    for k in range(len(x)):
        u, v = int(x[k] * zoom) - left, int(y[k] * zoom) - top
        if 0 <= u < width and 0 <= v < height:
            column[kept], row[kept], times[kept], signs[kept] = width - 1 - u if mirror else u, v, t[k], p[k]
            kept += 1
    return column[:kept], row[:kept], times[:kept], signs[:kept]


@dataclass(frozen=True)
class Damage:
    """What the frames of a clip suffer, of the kinds that evaluation has, of random strength."""

    kind: str
    strength: float
    direction: np.ndarray

    @classmethod
    def random(cls, sample: Sample, rng: np.random.Generator) -> Damage:
        """Dark (2 to 48 times less light), over-exposed (2 to 14 times more, as often as the others together) or
        blurred (7 to 25 px), evenly in between (our choice: half of the dark clips then have less than a 25th of their
        light; what is white in a frame nothing restores, there the network itself must learn to look at the events).
        """
        kind = ("dark", "overexposed", "blur", "overexposed")[int(rng.integers(4))]
        low, high = {"dark": (2.0, 48.0), "overexposed": (2.0, 14.0), "blur": (7.0, 25.0)}[kind]
        angle = rng.uniform(0, np.pi)
        motion = sample.motion_px
        if motion is None or np.hypot(*motion) < 0.5:
            motion = np.array([np.cos(angle), np.sin(angle)])
        return cls(kind, float(rng.uniform(low, high)), motion)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """``(h, w, 3) uint8`` to the same."""
        if self.kind == "blur":
            return blur(image, self.direction, round(self.strength))
        light = TO_LIGHT[image]
        if self.kind == "overexposed":
            return to_codes(light * self.strength)
        noise = rng.standard_normal(light.shape, np.float32) * np.float32(READ_NOISE)
        return to_codes(light / self.strength + noise)


def random_colours(spread: float, rng: np.random.Generator) -> np.ndarray:
    """A table ``(3, 256) uint8`` per channel: a gamma and a gain of all, a smaller gain of each."""
    gamma, gain = np.exp(rng.uniform(-spread, spread, 2))
    gains = gain * np.exp(rng.uniform(-spread / 3, spread / 3, (3, 1)))
    levels = gains * (np.arange(256) / 255.0) ** gamma
    return np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)


def class_shares(labels: np.ndarray, classes: int, cell: int = 4) -> Tensor:
    """Share of each class in every cell: ``(h, w) uint8`` to ``(classes, h/cell, w/cell)``."""
    return torch.from_numpy(_shares(labels, classes, cell))


@njit()
def _shares(labels: np.ndarray, classes: int, cell: int) -> np.ndarray:
    height, width = labels.shape
    shares = np.zeros((classes, height // cell, width // cell), np.float32)
    for y in range(height):
        for x in range(width):
            if labels[y, x] < classes:
                shares[labels[y, x], y // cell, x // cell] += np.float32(1 / cell**2)
    return shares
