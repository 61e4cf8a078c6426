"""What every reader offers: a `Sequence` streams one recording's events, frames, labels and the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from halsie_ros.classes import ClassSet
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events

IGNORE = 255
"""Id of pixels without a label in every mask that a reader gives, whatever the files use."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A camera of the recording, as ROS's camera_info has it.

    Attributes:
        width: columns, pixels.
        height: rows, pixels.
        camera_matrix: (3, 3) float64.
        distortion: coefficients of `model`, float64.
        model: "plumb_bob" (radial-tangential) or "equidistant".
    """

    width: int
    height: int
    camera_matrix: np.ndarray
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))
    model: str = "plumb_bob"


class Sequence(ABC):
    """One recording. All times are microseconds on the recording's own clock.

    Attributes:
        name: of the recording, as the data set calls it.
        licence: of the data.
        classes: of the labels; None where there are none.
        width: columns of the event sensor, pixels.
        height: rows of the event sensor, pixels.
        calibration: of the event sensor; None where the data set gives none.
        off_sensor: events left out so far because they lie outside the sensor (a damaged bit in a file of 10^8).
        time_note: what is odd about the recording's clock, for the message where it matters; empty where nothing is.
    """

    name: str
    licence: str
    classes: ClassSet | None = None
    width: int
    height: int
    calibration: Calibration | None = None
    off_sensor: int = 0
    time_note: str = ""

    def _on_sensor(
        self, x: ArrayLike, y: ArrayLike, t_us: ArrayLike, polarity: ArrayLike, width: int, height: int
    ) -> Events:
        """Events of a sensor; those outside are left out and counted, by every reader alike."""
        events, outside = Events.on_sensor(x, y, t_us, polarity, width, height)
        self.off_sensor += outside
        return events

    @property
    @abstractmethod
    def span_us(self) -> tuple[int, int]:
        """Times of the first and of the last event."""

    @abstractmethod
    def events(self, t0_us: int, t1_us: int) -> Events:
        """Events with ``t0_us < t <= t1_us``, read from the file in about the time their number takes."""

    @abstractmethod
    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Times and pictures in order, (H, W, 3) uint8 RGB or (H, W) uint8."""

    @abstractmethod
    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        """Times and masks in order, (H, W) uint8 ids, 255 where nothing is known."""

    def imu(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Times, acceleration (3,) m/s^2 and turning rate (3,) rad/s."""
        return iter(())

    def depth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Times and depth (H, W) float32 in metres, NaN where unknown."""
        return iter(())

    def poses(self) -> Iterator[tuple[int, np.ndarray]]:
        """Times and poses (4, 4) float64, world from camera."""
        return iter(())


def read_image(path: Path, mode: str) -> np.ndarray:
    """A picture file as an array: `mode` "RGB" gives (H, W, 3), "L" and "P" give (H, W), uint8.

    Raises:
        DatasetError: no such file, not a picture, or the extra `data` is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DatasetError(
            "pictures cannot be read: Pillow is not installed, `pip install halsie_ros[data]` brings it"
        ) from None
    try:
        with Image.open(path) as image:
            if mode == "P":  # label files: indices as stored, without a palette's colours
                if image.mode not in ("L", "P", "1", "I;16", "I"):
                    raise DatasetError(f"{path}: a label picture of mode {image.mode}, not class ids: give 8-bit ids")
                return np.array(image).astype(np.uint8)
            return np.array(image.convert(mode))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; it is named by the data set's own list or layout") from None
    except OSError as error:
        raise DatasetError(f"{path}: not a readable picture ({error}); copy it again") from None


def read_npy(path: Path, what: str) -> np.ndarray:
    """The array of a ``.npy`` file; `what` it is, for the message where it is missing.

    Raises:
        DatasetError: no such file, cut short, or not a ``.npy`` file of numbers.
    """
    require(path, what)
    try:
        with path.open("rb") as file:
            found = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(f"{path}: not a readable .npy file ({reason}); download it again") from None
    if found.dtype.kind not in "iuf":
        raise DatasetError(f"{path}: holds {found.dtype}, not numbers; download it again")
    return found


def recordings_of(split: str, splits: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of a split's recordings.

    Args:
        split: a key of `splits`; ``SPLIT-RECORDING``, a key's split without one of its recordings; or any other name,
            which is taken as one recording's.
        splits: the data set's splits by name.

    Raises:
        DatasetError: the recording to be left out is not in the split.
    """
    whole, minus, without = split.partition("-")
    if not minus or whole not in splits:
        return splits.get(split, (split,))
    if without not in splits[whole]:
        raise DatasetError(f"split {split}: {whole} has no {without}; leave out one of {', '.join(splits[whole])}")
    return tuple(name for name in splits[whole] if name != without)


def require(path: Path, what: str) -> Path:
    """`path` where it exists.

    Raises:
        DatasetError: it does not; `what` says what it should have been.
    """
    if not path.exists():
        raise DatasetError(f"{path}: not here; expected {what}")
    return path
