"""An event camera made of a stream of luminance images.

Each pixel remembers the log luminance of its last event and fires when the present one differs from it by
its threshold (Lichtsteiner et al. 2008; the frame-to-event scheme of ESIM, Rebecq et al. 2018). Between two
images the log luminance runs linearly in time, so every crossing has a time of its own. Real sensors add
thresholds that differ from pixel to pixel, a dead time after each event, background noise and hot pixels;
so does this one.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.kernels import njit


@njit()
def _cross(log_new, t0_us, t1_us, log_old, reference, dead_until_us, threshold_on, threshold_off, refractory_us):
    """All crossings in (t0, t1]: (N, 4) int64 rows t_us, x, y, polarity; updates the pixels' state in place."""
    height, width = log_new.shape
    rows = np.empty((1 << 14, 4), np.int64)
    count = 0
    span = t1_us - t0_us
    for y in range(height):
        for x in range(width):
            start = log_old[y, x]
            end = log_new[y, x]
            log_old[y, x] = end
            level = reference[y, x]
            dead = dead_until_us[y, x]
            slope = (end - start) / span
            if dead > t0_us:
                if dead >= t1_us:
                    continue
                level = start + slope * (dead - t0_us)
            while True:
                if end >= level + threshold_on[y, x] and slope > 0:
                    target, polarity = level + threshold_on[y, x], 1
                elif end <= level - threshold_off[y, x] and slope < 0:
                    target, polarity = level - threshold_off[y, x], 0
                else:
                    break
                when = min(max(t0_us + (target - start) / slope, dead, t0_us), t1_us)
                if count == len(rows):
                    grown = np.empty((2 * count, 4), np.int64)
                    grown[:count] = rows
                    rows = grown
                rows[count, 0] = min(max(round(when), t0_us + 1), t1_us)
                rows[count, 1], rows[count, 2], rows[count, 3] = x, y, polarity
                count += 1
                level = target
                dead = when + refractory_us
                if refractory_us > 0:
                    if dead >= t1_us:
                        break
                    level = start + slope * (dead - t0_us)
            reference[y, x] = level
            dead_until_us[y, x] = dead
    return rows[:count]


class EventSimulator:
    """Turns luminance images into the events that a sensor with per-pixel thresholds would send.

    The images must be fine enough in time: motion of about one pixel between two of them. The stream is
    reproducible from the seed: same images, same times, same events.

    Args:
        width: columns of the sensor, pixels.
        height: rows of the sensor, pixels.
        seed: of thresholds, hot pixels and noise.
        threshold: mean contrast threshold, natural log units, for ON and OFF alike.
        threshold_spread: standard deviation of the threshold between pixels, same units.
        refractory_us: dead time after an event. The pixel is held in reset meanwhile: afterwards it measures from
            the luminance at the end of the dead time, as the circuit does.
        noise_rate_hz: background events per pixel and second, either polarity (Poisson).
        hot_share: share of the pixels that are hot.
        hot_rate_hz: events per second of a hot pixel; each draws its own rate, exponential about this mean.
        dark_level: added to the luminance before the logarithm: the photodiode's dark current, which keeps
            the logarithm finite and the darkest places quiet.

    Raises:
        ParameterError: a size, threshold, rate or share that no sensor can have.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        seed: int,
        threshold: float = 0.22,
        threshold_spread: float = 0.03,
        refractory_us: int = 300,
        noise_rate_hz: float = 0.1,
        hot_share: float = 0.0002,
        hot_rate_hz: float = 30.0,
        dark_level: float = 0.002,
    ) -> None:
        if width < 1 or height < 1:
            raise ParameterError(f"event sensor of {width}x{height} pixels: both sides must be at least 1")
        if not threshold > 0:
            raise ParameterError(f"threshold {threshold}: must be above 0")
        if not 0 <= hot_share <= 1:
            raise ParameterError(f"hot_share {hot_share}: a share lies between 0 and 1")
        for name, value in (
            ("threshold_spread", threshold_spread),
            ("refractory_us", refractory_us),
            ("noise_rate_hz", noise_rate_hz),
            ("hot_rate_hz", hot_rate_hz),
            ("dark_level", dark_level),
        ):
            if not value >= 0:
                raise ParameterError(f"{name} {value}: must not be negative")
        self.width = width
        self.height = height
        self._seed = seed
        self._threshold = threshold
        self._threshold_spread = threshold_spread
        self._refractory_us = refractory_us
        self._noise_rate_hz = noise_rate_hz
        self._hot_share = hot_share
        self._hot_rate_hz = hot_rate_hz
        self._dark_level = np.float32(dark_level)
        self.reset()

    def reset(self) -> None:
        """Forgets all images; the next one starts the same sensor afresh."""
        self._random = np.random.default_rng(self._seed)
        size = (self.height, self.width)
        lowest = 0.25 * self._threshold  # a pixel below a quarter of the mean would never be quiet; our choice
        self._on, self._off = (
            np.maximum(self._threshold + self._threshold_spread * self._random.standard_normal(size), lowest)
            for _ in range(2)
        )
        self._hot_pixels = np.flatnonzero(self._random.random(self.width * self.height) < self._hot_share)
        self._hot_rates_hz = self._random.exponential(self._hot_rate_hz, len(self._hot_pixels))
        self._log_old: np.ndarray | None = None
        self._t_us = 0

    def push(self, luminance: np.ndarray, t_us: int) -> Events:
        """Takes the image at ``t_us`` and gives the events since the previous one, ordered by time.

        Args:
            luminance: ``(H, W) float32``, linear (not gamma encoded), above 0, any unit that stays the same.
            t_us: time of the image, microseconds, later than the previous one's.

        Returns:
            Events with ``t_previous < t_us <= t``; none for the first image, which sets the reference.

        Raises:
            ParameterError: an image of another size, with values not above 0, or not later than the last.
        """
        if luminance.shape != (self.height, self.width):
            raise ParameterError(
                f"luminance of shape {luminance.shape}: this sensor takes ({self.height}, {self.width})"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            log_new = np.log(luminance.astype(np.float32, copy=False) + self._dark_level)
        if not np.isfinite(log_new).all() or not luminance.min() >= 0:
            raise ParameterError("luminance holds values that are not above 0: give linear light without gaps")
        if self._log_old is None:
            self._log_old = log_new
            self._reference = log_new.astype(np.float64)
            self._dead_until_us = np.full(log_new.shape, -np.inf)
            self._t_us = t_us
            return Events.empty()
        if t_us <= self._t_us:
            raise ParameterError(f"image at {t_us} us after one at {self._t_us} us: times must grow; reset() restarts")
        rows = _cross(
            log_new,
            self._t_us,
            t_us,
            self._log_old,
            self._reference,
            self._dead_until_us,
            self._on,
            self._off,
            float(self._refractory_us),
        )
        rows = np.concatenate([rows, self._noise(self._t_us, t_us)])
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        self._t_us = t_us
        return Events.of(rows[:, 1], rows[:, 2], rows[:, 0], rows[:, 3])

    def _noise(self, t0_us: int, t1_us: int) -> np.ndarray:
        """Background and hot-pixel events in (t0, t1], rows as ``_cross`` gives them, unordered."""
        seconds = (t1_us - t0_us) * 1e-6
        pixels = self.width * self.height
        background = self._random.integers(0, pixels, self._random.poisson(self._noise_rate_hz * pixels * seconds))
        hot = np.repeat(self._hot_pixels, self._random.poisson(self._hot_rates_hz * seconds))
        place = np.concatenate([background, hot])
        when = self._random.integers(t0_us + 1, t1_us + 1, len(place))
        polarity = self._random.integers(0, 2, len(place))
        return np.stack([when, place % self.width, place // self.width, polarity], axis=1).astype(np.int64)
