"""Clips as the action network eats them, cached in RAM-sized arrays, and their augmentation in the compressed domain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class ClipCache:
    """Every GOP of every clip of one data set, as :mod:`training.action_cache` writes them.

    Attributes:
        image: ``(G, 3, 96, 128) uint8``.
        motion: ``(G, T, 4, 24, 32) float16``.
        residual: ``(G, T, 2, 48, 64) float16``.
        dt_us: ``(G, T) float32``, 0 for padding.
        end_s: ``(G,) float32``: time of each GOP's last frame in its clip.
        first: ``(clips + 1,)``: clip c has GOPs first[c] to first[c + 1] - 1.
        labels, groups, paths: of each clip.
    """

    image: np.ndarray
    motion: np.ndarray
    residual: np.ndarray
    dt_us: np.ndarray
    end_s: np.ndarray
    first: np.ndarray
    labels: list[str]
    groups: list[str]
    paths: list[str]

    @classmethod
    def load(cls, folder: Path) -> ClipCache:
        clips = np.load(folder / "clips.npz")
        arrays = (np.load(folder / f"{name}.npy") for name in ("image", "motion", "residual", "dt_us", "end_s"))
        first = np.concatenate([[0], np.cumsum(clips["gops"])])
        return cls(*arrays, first, *(clips[name].tolist() for name in ("label", "group", "path")))


@dataclass
class Batch:
    """One batch; shapes as :meth:`CompressedVideoNet.forward` takes them, and ``label (B,) int64``."""

    image: Tensor
    motion: Tensor
    residual: Tensor
    dt_us: Tensor
    age_s: Tensor
    valid: Tensor
    label: Tensor
    use: Tensor | None = None

    def inputs(self) -> tuple[Tensor | None, ...]:
        """The network's arguments in order."""
        return self.image, self.motion, self.residual, self.dt_us, self.age_s, self.valid, self.use


def collate(items: list[tuple[ClipCache, int, int]], gops: int, rng: np.random.Generator | None = None) -> Batch:
    """Takes clips together.

    Args:
        items: (cache, clip, label) each.
        gops: K; longer clips give a random run of K GOPs where `rng` is given, else K spread evenly.
        rng: training where given: GOPs at both ends may be left out.
    """
    batch = len(items)
    steps = max(cache.dt_us.shape[1] for cache, _, _ in items)
    image = np.zeros((batch, gops, 3, 96, 128), np.uint8)
    motion = np.zeros((steps, batch, gops, 4, 24, 32), np.float16)
    residual = np.zeros((steps, batch, gops, 2, 48, 64), np.float16)
    dt_us, age_s, valid = (
        np.zeros((steps, batch, gops), np.float32),
        np.zeros((batch, gops), np.float32),
        np.zeros((batch, gops), np.float32),
    )
    for b, (cache, clip, _) in enumerate(items):
        chosen = choose_gops(np.arange(cache.first[clip], cache.first[clip + 1]), gops, rng)
        at, length = slice(gops - len(chosen), gops), cache.dt_us.shape[1]
        image[b, at] = cache.image[chosen]
        motion[:length, b, at] = cache.motion[chosen].swapaxes(0, 1)
        residual[:length, b, at] = cache.residual[chosen].swapaxes(0, 1)
        dt_us[:length, b, at] = cache.dt_us[chosen].T
        age_s[b, at] = cache.end_s[chosen[-1]] - cache.end_s[chosen]
        valid[b, at] = 1
    return Batch(
        torch.from_numpy(image).float() / 255, torch.from_numpy(motion).float(), torch.from_numpy(residual).float(),
        torch.from_numpy(dt_us), torch.from_numpy(age_s), torch.from_numpy(valid),
        torch.tensor([label for _, _, label in items]),
    )  # fmt: skip


def choose_gops(there: np.ndarray, gops: int, rng: np.random.Generator | None) -> np.ndarray:
    """The GOPs of a clip that are used, in order: at most `gops`."""
    if rng is None:
        return there[np.linspace(0, len(there) - 1, gops).round().astype(int)] if len(there) > gops else there
    if len(there) > gops:
        start = int(rng.integers(0, len(there) - gops + 1))
        there = there[start : start + gops]
    if len(there) > 3 and rng.random() < 0.5:
        start = int(rng.integers(0, len(there) // 4 + 1))
        stop = len(there) - int(rng.integers(0, len(there) // 4 + 1))
        there = there[start:stop]
    return there


def mirror(batch: Batch, which: Tensor, partner: Tensor) -> None:
    """Mirrors the clips where `which (B,)` left to right, in place: x motion is negated, `partner (classes,)` is the new label."""
    batch.image[which] = batch.image[which].flip(-1)
    turned = batch.motion[:, which].flip(-1)
    turned[..., 0::2, :, :] *= -1
    batch.motion[:, which] = turned
    batch.residual[:, which] = batch.residual[:, which].flip(-1)
    batch.label[which] = partner[batch.label[which]]


def _warp(x: Tensor, theta: Tensor, batch_axis: int) -> Tensor:
    """Moves every picture of a clip by the clip's own 2 x 3 matrix."""
    x = x.movedim(batch_axis, 0)
    shape = x.shape
    flat = x.reshape(shape[0], -1, *shape[-2:])
    grid = F.affine_grid(theta, [shape[0], 1, *shape[-2:]], align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).view(shape).movedim(0, batch_axis)


def augment(batch: Batch, rng: torch.Generator, partner: Tensor | None, strength: float = 1.0) -> None:
    """Augments in the compressed domain, in place: mirror, scale, shift, speed, gains, noise, frame loss, lost modalities.

    Args:
        batch: as :func:`collate` made it.
        rng: torch generator.
        partner: label of the mirrored clip per class; None: never mirror.
        strength: scales the geometric ranges and gains.
    """
    size = len(batch.label)

    def draw(low: float, high: float, *more: int) -> Tensor:
        return torch.rand(size, *more, generator=rng) * (high - low) + low

    if partner is not None:
        mirror(batch, torch.rand(size, generator=rng) < 0.5, partner)
    zoom = torch.exp(draw(-0.3, 0.25) * strength)
    aspect = torch.exp(draw(-0.12, 0.12) * strength)
    theta = torch.zeros(size, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = 1 / (zoom * aspect), 1 / zoom
    theta[:, 0, 1], theta[:, 1, 0] = draw(-0.08, 0.08) * strength, draw(-0.08, 0.08) * strength
    theta[:, :, 2] = draw(-0.2, 0.2, 2) * strength
    batch.image = _warp(batch.image, theta, 0)
    batch.motion = _warp(batch.motion, theta, 1)
    batch.residual = _warp(batch.residual, theta, 1)
    speed = torch.exp(draw(-0.2, 0.2) * strength)
    batch.motion[..., 0::2, :, :] *= (zoom * aspect).view(1, -1, 1, 1, 1, 1)
    batch.motion[..., 1::2, :, :] *= zoom.view(1, -1, 1, 1, 1, 1)
    batch.motion[..., :2, :, :] *= speed.view(1, -1, 1, 1, 1, 1)
    batch.dt_us /= speed.view(1, -1, 1)
    batch.age_s /= speed.view(-1, 1)
    batch.motion *= torch.exp(draw(-0.2, 0.2) * strength).view(1, -1, 1, 1, 1, 1)
    batch.residual *= torch.exp(draw(-0.4, 0.4) * strength).view(1, -1, 1, 1, 1, 1)
    noisy = torch.rand(*batch.motion.shape[:3], 1, *batch.motion.shape[-2:], generator=rng) < draw(0, 0.01).view(
        1, -1, 1, 1, 1, 1
    )
    batch.motion += noisy * torch.randn(*batch.motion.shape[:3], 4, 1, 1, generator=rng) * 0.3
    batch.motion.clamp_(-4, 4)
    batch.residual.clamp_(0, 4)
    tint = torch.exp(torch.randn(size, 1, 3, 1, 1, generator=rng) * 0.2)
    batch.image = (batch.image * tint + torch.randn(size, 1, 1, 1, 1, generator=rng) * 0.05).clamp(0, 1)
    grey = (torch.rand(size, generator=rng) < 0.3).view(-1, 1, 1, 1, 1)
    batch.image = torch.where(grey, batch.image.mean(2, keepdim=True), batch.image)
    _lose(batch, rng, strength)


def _lose(batch: Batch, rng: torch.Generator, strength: float) -> None:
    """GOPs cut short (as in sparse reading), GOPs lost, modalities lost."""
    steps, size, gops = batch.dt_us.shape
    cut = torch.where(torch.rand(size, generator=rng) < 0.3, torch.randint(2, steps + 1, (size,), generator=rng), steps)
    gone = torch.arange(steps).view(-1, 1, 1) >= cut.view(1, -1, 1)
    batch.dt_us[gone.expand_as(batch.dt_us)] = 0
    lost = (torch.rand(size, gops, generator=rng) < 0.06) & (batch.valid.sum(1, keepdim=True) > 3)
    lost[:, -1] = False
    batch.valid[lost] = 0
    use = (torch.rand(size, 3, generator=rng) > torch.tensor([0.15, 0.1, 0.1]) * strength).float()
    use[use.sum(1) == 0] = 1
    batch.use = use
