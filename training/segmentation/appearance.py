"""What lens, sensor and codec do to pictures, at random: colours, sharpness, noise, JPEG. Alike for a clip's frames."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Appearance:
    """How a clip's pictures look (our choice of kinds and ranges).

    Attributes:
        saturation: of the colours, 0 is grey.
        mix: (3, 3) float32, close to 1: channels leak into one another, as other sensors' filters do.
        contrast: about the mean.
        blur: width of a Gaussian, pixels; 0 for none.
        shrink: resolution lost by shrinking and enlarging, 1 for none.
        noise: standard deviation, of 255.
        quality: of JPEG; 0 for none.
    """

    saturation: float
    mix: np.ndarray
    contrast: float
    blur: float
    shrink: float
    noise: float
    quality: int

    @classmethod
    def random(cls, random: np.random.Generator) -> Appearance:
        """One of many; a tenth is grey."""
        draw = random.random(6)
        leak = random.normal(0, 0.05, (3, 3)).astype(np.float32)
        return cls(
            saturation=0.0 if draw[0] < 0.1 else float(random.uniform(0.4, 1.6)),
            mix=np.eye(3, dtype=np.float32) + leak - leak.mean(1, keepdims=True),
            contrast=float(np.exp(random.normal(0, 0.25))),
            blur=float(random.uniform(0.5, 1.8)) if draw[1] < 0.25 else 0.0,
            shrink=float(random.uniform(0.4, 0.9)) if draw[2] < 0.25 else 1.0,
            noise=float(random.uniform(1, 12)) if draw[3] < 0.25 else 0.0,
            quality=int(random.integers(15, 80)) if draw[4] < 0.25 else 0,
        )

    def apply(self, picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """``(h, w, 3) uint8`` RGB to the same."""
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        grey = image.mean(1, keepdim=True)
        image = grey + self.saturation * (image - grey)
        image = torch.einsum("oc,nchw->nohw", torch.from_numpy(self.mix), image)
        mean = image.mean()
        image = mean + self.contrast * (image - mean)
        height, width = picture.shape[:2]
        if self.shrink < 1:
            small = (max(8, round(height * self.shrink)), max(8, round(width * self.shrink)))
            image = F.interpolate(image, small, mode="bilinear", antialias=True)
            image = F.interpolate(image, (height, width), mode="bilinear")
        if self.blur:
            reach = np.arange(-4, 5)
            kernel = torch.from_numpy(np.exp(-(reach**2) / (2 * self.blur**2)).astype(np.float32))
            kernel = (kernel / kernel.sum()).expand(3, 1, 1, 9)
            image = F.conv2d(image, kernel, padding=(0, 4), groups=3)
            image = F.conv2d(image, kernel.transpose(2, 3), padding=(4, 0), groups=3)
        if self.noise:
            grain = random.standard_normal((height, width, 3), np.float32) * np.float32(self.noise)
            image = image + torch.from_numpy(grain).permute(2, 0, 1)
        result = image[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return _jpeg(result, self.quality) if self.quality else np.ascontiguousarray(result)


def _jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=quality)
    return np.array(Image.open(buffer))
