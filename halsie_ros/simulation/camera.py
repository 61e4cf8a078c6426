"""A frame camera: exposure, motion blur, shot and read noise, gamma, 8 bit.

Light becomes electrons in proportion to exposure time, electrons become numbers by a gain. Auto exposure prefers
longer times, then gain, as small cameras do; what that means at night is blur and noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halsie_ros.errors import ParameterError

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear red, green and blue in luminance (ITU-R BT.709)."""

_FULL_WELL_E = 9000.0
_ELECTRONS_PER_S = 1.4e6
"""Electrons per second of radiance 1: a white wall at noon fills the well in 6 ms. Our choice, as the next two."""
_SHORTEST_S = 0.0004
_TARGET = 0.19
"""Auto exposure aims at this mean of the linear picture, 0 to 1; below ``_DIM`` it lets the picture get darker."""
_DIM = 0.1


def luminance(radiance: np.ndarray) -> np.ndarray:
    """Linear luminance ``(H, W) float32`` of linear RGB ``(H, W, 3) float32``."""
    return radiance @ LUMA


class FrameCamera:
    """Turns radiance into 8-bit pictures.

    Args:
        seed: of the noise.
        frame_rate_hz: the exposure lasts at most 0.7 of a frame.
        exposure_s: fixed exposure time; None for auto exposure.
        read_noise_e: standard deviation of the read noise, electrons.
        highest_gain: of the amplifier in auto exposure; with a fixed exposure the gain is 1.

    Raises:
        ParameterError: an exposure that does not fit a frame.
    """

    def __init__(
        self,
        *,
        seed: int,
        frame_rate_hz: float,
        exposure_s: float | None = None,
        read_noise_e: float = 9.0,
        highest_gain: float = 12.0,
    ) -> None:
        self._longest_s = 0.7 / frame_rate_hz
        if exposure_s is not None and not 0 < exposure_s <= 1 / frame_rate_hz:
            raise ParameterError(f"exposure_s {exposure_s}: must lie between 0 and 1 / {frame_rate_hz} s")
        self._auto = exposure_s is None
        self.exposure_s = self._longest_s / 4 if exposure_s is None else exposure_s
        self.gain = 1.0
        self._read_noise_e = read_noise_e
        self._highest_gain = highest_gain
        self._random = np.random.default_rng([seed, 20])

    def meter(self, radiance: np.ndarray, share: float = 1.0) -> None:
        """Auto exposure looks at a scene; with a fixed exposure nothing happens.

        Args:
            radiance: ``(H, W, 3) float32``.
            share: of the way to the wanted exposure that is gone at once; below 1 it adapts over some frames.
        """
        if not self._auto:
            return
        # The mean of what is not blown out much: one lamp or a bright sky shall not turn the street black.
        light = float(np.minimum(luminance(radiance), 3 * np.median(radiance) + 1e-4).mean())
        now = self.exposure_s * self.gain
        wanted = _TARGET * min(1.0, (light / _DIM) ** 0.3) * _FULL_WELL_E / (_ELECTRONS_PER_S * light)
        wanted = now * (wanted / now) ** share
        self.exposure_s = float(np.clip(wanted, _SHORTEST_S, self._longest_s))
        self.gain = float(np.clip(wanted / self.exposure_s, 1.0, self._highest_gain))

    def capture(self, radiances: Sequence[np.ndarray]) -> np.ndarray:
        """The picture of one exposure: ``(H, W, 3) uint8``, gamma encoded (1 / 2.2).

        Args:
            radiances: what came in during the exposure, at equal intervals; each ``(H, W, 3) float32``.
        """
        light = np.mean(radiances, axis=0) if len(radiances) > 1 else radiances[0]
        electrons = light * np.float32(_ELECTRONS_PER_S * self.exposure_s)
        noise = self._random.standard_normal(electrons.shape, np.float32)
        electrons = electrons + noise * np.sqrt(np.maximum(electrons, 0) + np.float32(self._read_noise_e**2))
        linear = np.clip(electrons * np.float32(self.gain / _FULL_WELL_E), 0, 1)
        return np.round(255 * linear ** np.float32(1 / 2.2)).astype(np.uint8)
