"""Augmentation of clips in the compressed domain: mirrored, moved, faster, noisier, with parts lost."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.action.data import Batch


def mirror(batch: Batch, which: Tensor, partner: Tensor) -> None:
    """Mirrors the clips where `which (B,)` left to right, in place.

    Motion along x is negated, `partner (classes,)` is the new label.
    """
    batch.image[which] = batch.image[which].flip(-1)
    turned = batch.motion[:, which].flip(-1)
    turned[..., 0::2, :, :] *= -1
    batch.motion[:, which] = turned
    batch.residual[:, which] = batch.residual[:, which].flip(-1)
    batch.label[which], batch.other[which] = partner[batch.label[which]], partner[batch.other[which]]


def _warp(x: Tensor, theta: Tensor, batch_axis: int) -> Tensor:
    """Moves every picture of a clip by the clip's own 2 x 3 matrix."""
    x = x.movedim(batch_axis, 0)
    shape = x.shape
    flat = x.reshape(shape[0], -1, *shape[-2:])
    grid = F.affine_grid(theta, [shape[0], 1, *shape[-2:]], align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).view(shape).movedim(0, batch_axis)


def augment(batch: Batch, rng: torch.Generator, partner: Tensor | None, strength: float = 1.0) -> None:
    """Augments in the compressed domain, in place.

    Mirror, scale, shift, speed, gains, noise, frame loss, lost modalities.

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
    batch.camera[..., 1] *= speed.view(1, -1, 1)
    batch.motion *= torch.exp(draw(-0.2, 0.2) * strength).view(1, -1, 1, 1, 1, 1)
    batch.residual *= torch.exp(draw(-0.4, 0.4) * strength).view(1, -1, 1, 1, 1, 1)
    noisy = torch.rand(*batch.motion.shape[:3], 1, *batch.motion.shape[-2:], generator=rng) < draw(0, 0.01).view(
        1, -1, 1, 1, 1, 1
    )
    batch.motion += noisy * torch.randn(*batch.motion.shape[:3], 4, 1, 1, generator=rng) * 0.3
    batch.motion.clamp_(-4, 4)
    batch.residual.clamp_(0, 4)
    tint = torch.exp(torch.randn(size, 1, 3, 1, 1, generator=rng) * 0.2)
    texture = torch.randn(size, 3, 4, 5, generator=rng) * draw(0, 0.25, 1, 1, 1) * strength  # another background
    texture = F.interpolate(texture, batch.image.shape[-2:], mode="bilinear").unsqueeze(1)
    batch.image = (batch.image * tint + texture + torch.randn(size, 1, 1, 1, 1, generator=rng) * 0.05).clamp(0, 1)
    grey = (torch.rand(size, generator=rng) < 0.3).view(-1, 1, 1, 1, 1)
    batch.image = torch.where(grey, batch.image.mean(2, keepdim=True), batch.image)
    _lose(batch, rng, strength)


def _lose(batch: Batch, rng: torch.Generator, strength: float) -> None:
    """GOPs cut short (as in sparse reading), GOPs lost, modalities lost: one or two, or all but one."""
    steps, size, gops = batch.dt_us.shape
    cut = torch.where(torch.rand(size, generator=rng) < 0.3, torch.randint(2, steps + 1, (size,), generator=rng), steps)
    sparse = torch.rand(size, generator=rng) < 0.15 * strength  # a long clip, read here and there
    cut[sparse] = 2
    batch.age_s[sparse] *= torch.empty(int(sparse.sum()), 1).uniform_(1, 3.5, generator=rng)
    gone = torch.arange(steps).view(-1, 1, 1) >= cut.view(1, -1, 1)
    batch.dt_us[gone.expand_as(batch.dt_us)] = 0
    lost = (torch.rand(size, gops, generator=rng) < 0.06) & (batch.valid.sum(1, keepdim=True) > 3)
    lost[:, -1] = False
    batch.valid[lost] = 0
    use = (torch.rand(size, 3, generator=rng) > torch.tensor([0.15, 0.1, 0.1]) * strength).float()
    use[use.sum(1) == 0] = 1
    alone = F.one_hot(torch.randint(0, 3, (size,), generator=rng), 3).float()
    use = torch.where(torch.rand(size, 1, generator=rng) < 0.1 * strength, alone, use)
    batch.use = use
