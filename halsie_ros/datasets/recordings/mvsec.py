"""MVSEC in its HDF5 form (Zhu et al. 2018), the left DAVIS; frames and events share pixels.

MVSEC has no semantic labels. Published work takes pseudo-labels of a network run on the grey frames, in DDD17's six
classes: PNG masks whose names end in the frame's row in ``image_raw``, e.g. ``000123.png``, in a folder per sequence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from halsie_ros.classes import DDD17_6, ClassSet
from halsie_ros.datasets.base import IGNORE, Calibration, Sequence, read_image, recordings_of, require
from halsie_ros.datasets.hdf5 import array, first_after, open_hdf5, read, whole
from halsie_ros.datasets.samples import SampleProtocol, Split, samples
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events

WIDTH, HEIGHT = 346, 260
SPLITS = {
    "indoor_flying": tuple(f"indoor_flying{n}" for n in (1, 2, 3, 4)),
    "outdoor_day": ("outdoor_day1", "outdoor_day2"),
    "outdoor_night": ("outdoor_night1", "outdoor_night2", "outdoor_night3"),
    "motorcycle": ("motorcycle1",),
}


class MvsecSequence(Sequence):
    """One sequence: ``<name>_data.hdf5``, and ``<name>_gt.hdf5`` where it is there.

    Args:
        root: folder of the files.
        name: e.g. "outdoor_day1".
        labels: folder of pseudo-labels, either this sequence's own or one that holds ``<name>/``; None: there are none.
        label_classes: what their ids mean.

    Raises:
        DatasetError: a file or a key is missing, cut short or of another shape.
    """

    licence = "CC BY-SA 4.0 (MVSEC)"
    width, height = WIDTH, HEIGHT

    def __init__(self, root: str | Path, name: str, *, labels: Path | None = None, label_classes: ClassSet = DDD17_6):
        self.root, self.name, self._labels = Path(root), name, labels
        self.classes: ClassSet = label_classes
        self._file = open_hdf5(self.root / f"{name}_data.hdf5", "MVSEC's data file of this sequence")
        self._events = array(self._file, "davis/left/events", columns=4)
        if not len(self._events):
            raise DatasetError(f"{self._file.filename}: davis/left/events is empty; download the file again")
        ground_truth = self.root / f"{name}_gt.hdf5"
        self._truth = open_hdf5(ground_truth, "MVSEC's ground truth") if ground_truth.is_file() else None
        self.calibration = self._read_calibration()
        self._last = (0, 0)

    def _read_calibration(self) -> Calibration | None:
        """From Kalibr's camchain of the sequence's place, wherever below the root it was unpacked."""
        place = re.sub(r"\d+$", "", self.name)
        path = next(iter(sorted(self.root.rglob(f"camchain-imucam-{place}*.yaml"))), None)
        if path is None:
            return None
        try:
            camera = yaml.safe_load(path.read_text())["cam0"]
            fx, fy, cx, cy = camera["intrinsics"]
            width, height = camera["resolution"]
            model = "equidistant" if camera["distortion_model"] == "equidistant" else "plumb_bob"
            matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], float)
            return Calibration(width, height, matrix, np.array(camera["distortion_coeffs"], float), model)
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise DatasetError(f"{path}: not a Kalibr camchain ({type(error).__name__} {error})") from None

    @property
    def span_us(self) -> tuple[int, int]:
        """See `Sequence.span_us`."""
        return self._time_us(0), self._time_us(len(self._events) - 1)

    def _time_us(self, row: int) -> int:
        return int(np.rint(read(self._events, row, row + 1)[0, 2] * 1e6))

    def events(self, t0_us: int, t1_us: int) -> Events:
        """See `Sequence.events`."""
        start, stop = self._row(t0_us), self._row(t1_us)
        if stop <= start:
            return Events.empty()
        rows = read(self._events, start, stop)
        t_us = np.rint(rows[:, 2] * 1e6).astype(np.int64)
        return self._on_sensor(rows[:, 0], rows[:, 1], t_us, rows[:, 3], WIDTH, HEIGHT)

    def _row(self, t_us: int) -> int:
        """The first event later than `t_us`; searched from the last answer on where time goes forward."""
        last_us, last_row = self._last
        found = first_after(self._time_us, t_us, last_row if t_us >= last_us else 0, len(self._events))
        self._last = (t_us, found)
        return found

    def _stamped(self, file: Any, key: str) -> Iterator[tuple[int, np.ndarray]]:
        values, stamps = array(file, f"davis/left/{key}"), array(file, f"davis/left/{key}_ts")
        if len(values) != len(stamps):
            raise DatasetError(f"{file.filename}: {len(values)} rows of {key}, {len(stamps)} times; download it again")
        for row, stamp in enumerate(whole(file, f"davis/left/{key}_ts")):
            yield int(np.rint(stamp * 1e6)), read(values, row, row + 1)[0]

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.frames`."""
        yield from self._stamped(self._file, "image_raw")

    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.labels`."""
        if self._labels is None:
            return
        times = np.rint(whole(self._file, "davis/left/image_raw_ts") * 1e6).astype(np.int64)
        folder = require(self._labels, "the folder of pseudo-label PNGs")
        folder = folder / self.name if (folder / self.name).is_dir() else folder
        paths = {_number(path): path for path in folder.glob("*.png")}
        if not paths:
            raise DatasetError(f"{folder}: no PNG masks; expected pseudo-labels such as 000123.png")
        for number in sorted(paths):
            if number >= len(times):
                raise DatasetError(f"{paths[number]}: {self.name} has only {len(times)} frames; labels of another one?")
            mask = read_image(paths[number], "P")
            if mask.shape != (HEIGHT, WIDTH):
                raise DatasetError(f"{paths[number]}: shape {mask.shape}, an MVSEC frame has ({HEIGHT}, {WIDTH})")
            yield int(times[number]), np.where(mask < len(self.classes), mask, IGNORE).astype(np.uint8)

    def imu(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Acceleration, then turning rate: columns 0 to 2 and 3 to 5 of ``davis/left/imu``."""
        if "davis/left/imu" in self._file:
            for t_us, row in self._stamped(self._file, "imu"):
                yield t_us, row[:3], row[3:6]

    def depth(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.depth`."""
        if self._truth is not None and "davis/left/depth_image_rect" in self._truth:
            for t_us, depth in self._stamped(self._truth, "depth_image_rect"):
                yield t_us, depth.astype(np.float32)

    def poses(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.poses`."""
        if self._truth is not None and "davis/left/pose" in self._truth:
            yield from self._stamped(self._truth, "pose")


def _number(path: Path) -> int:
    match = re.search(r"(\d+)$", path.stem)
    if match is None:
        raise DatasetError(f"{path}: a mask's name must end in its frame's number, e.g. 000123.png")
    return int(match[1])


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`. `split` is a key of `SPLITS`, such a split without one sequence, or one
    sequence; `labels` holds the pseudo-labels in ``<sequence>/``, or the PNGs themselves for one sequence."""
    if labels is None:
        raise DatasetError("MVSEC has no semantic labels: give a folder of pseudo-label PNGs by --labels")
    named = recordings_of(split, SPLITS)
    missing = [name for name in named if not (root / f"{name}_data.hdf5").is_file()]
    if missing:
        known = ", ".join(sorted(path.name[: -len("_data.hdf5")] for path in root.glob("*_data.hdf5"))) or "none"
        raise DatasetError(
            f"{root}: no {', '.join(f'{name}_data.hdf5' for name in missing)} of MVSEC split {split}; splits are "
            f"{', '.join(SPLITS)}, here is {known}: name one of these, or download the rest"
        )
    unlabelled = [name for name in named if not (labels / name).is_dir()]
    if unlabelled and len(named) > 1:
        raise DatasetError(
            f"{labels}: no folder {', '.join(unlabelled)}; MVSEC split {split} has {len(named)} sequences: put the "
            "pseudo-labels of each into a folder of its name"
        )
    opened = (MvsecSequence(root, name, labels=labels) for name in named)
    protocol = SampleProtocol(frames=frames)
    return Split(DDD17_6, 0, (sample for sequence in opened for sample in samples(sequence, protocol)))
