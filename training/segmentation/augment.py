"""What happens to training clips: crops, flips and scales of frame, events and label together, damage, lost inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from halsie_ros.datasets.base import IGNORE
from halsie_ros.datasets.samples import Sample
from halsie_ros.events import Events
from halsie_ros.kernels import njit
from halsie_ros.pictures.damage import blur, dark, overexposed
from training.core.command import TrainingError


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
        """``(H, W) uint8`` ids to the crop, nearest; `IGNORE` beyond the picture."""
        rows = ((np.arange(self.size[0]) + 0.5) / self.size[0] * labels.shape[0]).astype(int)
        columns = ((np.arange(self.size[1]) + 0.5) / self.size[1] * labels.shape[1]).astype(int)
        return self._place(labels[rows][:, columns], IGNORE)

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
        if self.kind == "overexposed":
            return overexposed(image, more=self.strength)
        return dark(image, rng, less=self.strength)


def random_colours(spread: float, rng: np.random.Generator) -> np.ndarray:
    """A table ``(3, 256) uint8`` per channel: a gamma and a gain of all, a smaller gain of each."""
    gamma, gain = np.exp(rng.uniform(-spread, spread, 2))
    gains = gain * np.exp(rng.uniform(-spread / 3, spread / 3, (3, 1)))
    levels = gains * (np.arange(256) / 255.0) ** gamma
    result: np.ndarray = np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)
    return result


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
