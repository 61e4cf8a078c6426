"""DDD17 with semantic labels, in both published releases; 346x200 pixels, six classes.

- Ev-SegNet's (Alonso and Murillo 2019): pictures, labels and events already summed over 50 ms, six numbers a pixel.
  There is no event stream: events are rebuilt from count, mean time and spread of each pixel and polarity (see
  `events_from_statistics`), so figures on it are of that release and not of an event stream.
- ESS's (Sun et al. 2022): the event stream in memory-mapped files beside frames and labels; read as a `Sequence`.

The labels of both are Ev-SegNet's: made by a network on the frames, not by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from halsie_ros.classes import DDD17_6
from halsie_ros.datasets.base import IGNORE, Sequence, read_image, read_npy, recordings_of, require
from halsie_ros.datasets.samples import Sample, SampleProtocol, Split, samples
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events

WIDTH, HEIGHT = 346, 200
SENSOR_HEIGHT = 260
WINDOW_US = 50_000
EVSEGNET_SPLITS = {
    "evsegnet_train": ("train", ("1487339175", "1487842276", "1487593224", "1487846842", "1487779465")),
    "evsegnet_test": ("test", ("1487417411",)),
}
ESS_SPLITS = {"ess_train": (0, 2, 3, 5, 6), "ess_valid": (1,), "ess_test": (4,)}
"""Places in the list of ``dir*`` folders, sorted by number, as ESS takes them."""
DIR1_SPLITS = {"dir1_train": ("dir0", "dir3", "dir4", "dir6", "dir7"), "dir1_test": ("dir1",)}
"""Folders by name, as other papers take them.

ESS's release has seven folders, of which dir5 (`ess_test`) has almost no labels, and other papers test on dir1: so it
is reported in github.com/uzh-rpg/ess/issues/11, not verified on the data by us.
"""
_ALL_SPLITS = ", ".join((*EVSEGNET_SPLITS, *ESS_SPLITS, *DIR1_SPLITS))
_FACTOR = 3
"""Pictures are 50 ms apart within this factor, which tells microseconds from nanoseconds."""


def _checked(mask: np.ndarray, path: Path) -> np.ndarray:
    if mask.shape[1] != WIDTH or mask.shape[0] < HEIGHT:
        raise DatasetError(f"{path}: {mask.shape[1]}x{mask.shape[0]} pixels, a DDD17 label has {WIDTH}x{HEIGHT}")
    mask = mask[:HEIGHT]
    return np.where(mask < len(DDD17_6), mask, IGNORE).astype(np.uint8)


def events_from_statistics(statistics: np.ndarray, window_us: int = WINDOW_US) -> Events:
    """Events with the count, mean time and spread that Ev-SegNet's files give per pixel and polarity.

    Args:
        statistics: (H, W, 6): counts ON, OFF; mean times ON, OFF; standard deviations ON, OFF, times as shares of
            the window (values beyond 0 to 1 are taken as scaled by their largest).
        window_us: length of the window; times run from 1 to `window_us`.

    A pixel's n events are spread evenly about the mean with the given spread (our choice).
    """
    counts = np.rint(np.maximum(statistics[..., :2], 0)).astype(np.int64)
    times = statistics[..., 2:6].astype(np.float64)
    times = times / max(1.0, float(np.abs(times).max(initial=0)))
    parts = []
    for sign in (0, 1):
        y, x = np.nonzero(counts[..., sign])
        number = counts[y, x, sign]
        which = np.repeat(np.arange(len(number)), number)
        place = np.arange(len(which)) - np.repeat(np.cumsum(number) - number, number)
        # n evenly spaced points of unit spread: (2k - n + 1) / 2 divided by sqrt((n^2 - 1) / 12).
        unit = (2 * place - number[which] + 1) / 2 / np.sqrt(np.maximum(number[which] ** 2 - 1, 1) / 12)
        share = times[y, x, sign][which] + unit * times[y, x, 2 + sign][which]
        t_us = np.clip(np.rint(share * window_us), 1, window_us).astype(np.int64)
        parts.append(Events.of(x[which], y[which], t_us, np.full(len(which), sign == 0)))
    events = Events.concatenate(parts)
    return events[np.argsort(events.t_us, kind="stable")]


class EvSegNetSplit:
    """A split of Ev-SegNet's release: single frames, each with the 50 ms of events before it.

    Args:
        root: folder with images/, labels/, events/.
        split: a key of `EVSEGNET_SPLITS`.

    Raises:
        DatasetError: unknown split, or none of its recordings is here.
    """

    classes = DDD17_6
    licence = "CC BY-NC-SA 4.0 (DDD17), labels by Ev-SegNet"

    def __init__(self, root: str | Path, split: str):
        self.root = Path(root)
        if split not in EVSEGNET_SPLITS:
            raise DatasetError(f"DDD17 split {split}: choose {_ALL_SPLITS}")
        self._folder, recordings = EVSEGNET_SPLITS[split]
        labels = require(self.root / "labels" / self._folder, "the labels of Ev-SegNet's DDD17 release")
        found = [
            (match[1], int(match[2]), path.stem)
            for path in labels.glob("*.png")
            if (match := re.fullmatch(r"rec(\d+)_export_(\d+)", path.stem))
        ]
        self.names = [stem for recording, _, stem in sorted(found) if recording in recordings]
        if not self.names:
            raise DatasetError(f"{labels}: no rec<id>_export_<n>.png of recordings {', '.join(recordings)}")

    def __len__(self) -> int:
        return len(self.names)

    def sample(self, index: int) -> Sample:
        """One frame, its label, and the events of the 50 ms before it."""
        name = self.names[index]
        image_path, label_path, event_path = (
            self.root / kind / self._folder / f"{name}.{ending}"
            for kind, ending in (("images", "png"), ("labels", "png"), ("events", "npy"))
        )
        image, label = read_image(image_path, "L"), _checked(read_image(label_path, "P"), label_path)
        statistics = read_npy(event_path, "the events of a label")
        if statistics.ndim != 3 or statistics.shape[2] != 6 or image.shape[0] < HEIGHT or image.shape[1] != WIDTH:
            raise DatasetError(
                f"{event_path}: events of shape {statistics.shape} and a picture of {image.shape}, "
                f"expected ({HEIGHT}, {WIDTH}, 6) and ({HEIGHT}, {WIDTH})"
            )
        events = events_from_statistics(statistics[:HEIGHT])
        times = np.array([WINDOW_US], np.int64)
        return Sample(name, times, 0, image[None, :HEIGHT], events, label[None], np.array([True]))


class EssSequence(Sequence):
    """One recording of ESS's release, the lowest 60 rows cropped away.

    Picture and label n have row n - 1 of ``index_50ms.npy`` (numbers start at 1, as ESS's loader takes them), or row n
    where there is a picture 0. Times are microseconds or nanoseconds, whichever makes pictures about 50 ms apart.

    Raises:
        DatasetError: a file is missing, cut short, its lengths disagree, or its times have neither unit.
    """

    licence = "CC BY-NC-SA 4.0 (DDD17), labels by Ev-SegNet, arranged by ESS"
    classes = DDD17_6
    width, height = WIDTH, HEIGHT

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.name = self.folder.name
        times, places = (
            require(self.folder / f"events.dat.{kind}", "ESS's memory-mapped events") for kind in ("t", "xyp")
        )
        count, rest = divmod(times.stat().st_size, 8)
        if rest or count == 0 or places.stat().st_size != count * 6:
            raise DatasetError(
                f"{self.folder}: events.dat.t has {times.stat().st_size} bytes, events.dat.xyp "
                f"{places.stat().st_size}: not 8 and 6 per event; download both again"
            )
        self._t = np.memmap(times, np.int64, "r")
        self._xyp = np.memmap(places, np.int16, "r", shape=(count, 3))
        path = self.folder / "index" / "index_50ms.npy"
        index = np.atleast_2d(read_npy(path, "the rows of each picture"))
        if index.ndim != 2 or index.shape[1] != 3 or not len(index):
            raise DatasetError(
                f"{path}: shape {index.shape}, expected rows (t, idx, idx_before), one a picture; download it again"
            )
        self._index = index.astype(np.int64)
        self._ticks = self._ticks_per_us(path)
        self._pictures = self._numbered("imgs")
        self._first = min(1, *self._pictures)

    def _ticks_per_us(self, path: Path) -> int:
        """1 where times are microseconds, 1000 where they are nanoseconds."""
        if len(self._index) > 1:
            step = float(np.median(np.diff(self._index[:, 0])))
        else:
            now, before = np.clip(self._index[0, 1:], 0, len(self._t) - 1)
            step = float(self._t[now] - self._t[before])
        for ticks in (1, 1000):
            if 1 / _FACTOR <= step / (WINDOW_US * ticks) <= _FACTOR:
                return ticks
        raise DatasetError(
            f"{path}: pictures {step:g} apart, neither about {WINDOW_US} (microseconds) nor {WINDOW_US * 1000} "
            "(nanoseconds); take the index of ESS's release"
        )

    def _numbered(self, folder: str) -> dict[int, Path]:
        paths = sorted(require(self.folder / folder, "a folder of PNG files of this recording").glob("*.png"))
        numbered = {int(match[1]): path for path in paths if (match := re.search(r"(\d+)$", path.stem))}
        if not numbered:
            raise DatasetError(f"{self.folder / folder}: no numbered PNG files")
        return numbered

    def _time_us(self, number: int, path: Path) -> int:
        row = number - self._first
        if not 0 <= row < len(self._index):
            raise DatasetError(f"{path}: number {number} has no row in index_50ms.npy ({len(self._index)} rows)")
        return int(self._index[row, 0]) // self._ticks

    @property
    def span_us(self) -> tuple[int, int]:
        """See `Sequence.span_us`."""
        return int(self._t[0]) // self._ticks, int(self._t[-1]) // self._ticks

    def events(self, t0_us: int, t1_us: int) -> Events:
        """See `Sequence.events`."""
        # Times are rounded down to microseconds: a whole microsecond's ticks belong to its end.
        bounds = [(t_us + 1) * self._ticks - 1 for t_us in (t0_us, t1_us)]
        start, stop = np.searchsorted(self._t, bounds, "right")
        rows = self._xyp[start:stop]
        t_us = self._t[start:stop] // self._ticks
        events = self._on_sensor(rows[:, 0], rows[:, 1], t_us, rows[:, 2], WIDTH, SENSOR_HEIGHT)
        return events[events.y < HEIGHT]

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.frames`."""
        for number in sorted(self._pictures):
            path = self._pictures[number]
            yield self._time_us(number, path), read_image(path, "L")[:HEIGHT]

    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.labels`."""
        masks = self._numbered("segmentation_masks")
        for number in sorted(masks):
            yield self._time_us(number, masks[number]), _checked(read_image(masks[number], "P"), masks[number])


def ess_folders(root: str | Path, split: str) -> list[Path]:
    """The recordings of a split of the ESS release.

    Args:
        root: folder with the ``dir*`` folders.
        split: a key of `ESS_SPLITS` (places beyond the folders that are here are left out), a key of `DIR1_SPLITS`, one
            of these without a folder, such as ``dir1_train-dir7``, or one folder's name.

    Raises:
        DatasetError: unknown split, none of its places is here, or a folder that it names is missing.
    """
    if split not in ESS_SPLITS:
        names = recordings_of(split, DIR1_SPLITS)
        if not all(name.startswith("dir") for name in names):
            raise DatasetError(f"DDD17 split {split}: choose {_ALL_SPLITS}, or one folder dirN")
        missing = [name for name in names if not (Path(root) / name).is_dir()]
        if missing:
            raise DatasetError(
                f"{root}: no folder {', '.join(missing)} of DDD17 split {split}; unpack all of ESS's release there"
            )
        return [Path(root) / name for name in names]
    folders = sorted(
        (path for path in Path(root).glob("dir*") if path.name[3:].isdigit()), key=lambda path: int(path.name[3:])
    )
    chosen = [folders[place] for place in ESS_SPLITS[split] if place < len(folders)]
    if not chosen:
        raise DatasetError(f"{root}: {len(folders)} dir* folders, none of places {ESS_SPLITS[split]} of {split}")
    return chosen


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`. `split` is ``evsegnet_train|test``, or what `ess_folders` takes."""
    if split.startswith("evsegnet"):
        data = EvSegNetSplit(root, split)
        return Split(DDD17_6, len(data), (data.sample(index) for index in range(len(data))))
    opened = (EssSequence(folder) for folder in ess_folders(root, split))
    protocol = SampleProtocol(frames=frames)
    return Split(DDD17_6, 0, (sample for sequence in opened for sample in samples(sequence, protocol)))
