"""DSEC and DSEC-Semantic, in the official layout (Gehrig et al. 2021; labels by Sun et al., ESS, 2022).

One sequence is a folder with ``events/left/events.h5``, ``images/``, ``calibration/cam_to_cam.yaml`` and the labels.
The labels lie in the rectified view of the left event camera and cover its top 440 rows. They are made by a network
of their authors, not by hand. Frames are brought into that view by rotation only: parallax between the lenses remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from halsie_ros.classes import DSEC_11
from halsie_ros.datasets.base import IGNORE, Calibration, Sequence, read_image, recordings_of, require
from halsie_ros.datasets.hdf5 import array, open_hdf5, read, whole
from halsie_ros.datasets.samples import SampleProtocol, Split, samples
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events
from halsie_ros.kernels import njit

WIDTH, HEIGHT, LABEL_ROWS = 640, 480, 440
SPLITS = {
    "train": tuple(f"zurich_city_{name}" for name in ("00_a", "01_a", "02_a", "04_a", "05_a", "06_a", "07_a", "08_a")),
    "test": tuple(f"zurich_city_{name}" for name in ("13_a", "14_c", "15_a")),
}


def ess_protocol(frames: int) -> SampleProtocol:
    """The labels that ESS trains and tests on: not the first 6 of a sequence, then every second."""
    return SampleProtocol(frames=frames, skip=6, every=2)


class DsecSequence(Sequence):
    """One sequence.

    Args:
        folder: of the sequence.
        rectify: events rectified by ``rectify_map.h5`` and frames warped into the event camera's view, so that
            events, frames and labels share pixels. False: both as recorded (then labels belong to neither).
        crop: only the top 440 rows, where labels are; needs `rectify`.

    Raises:
        DatasetError: a file or a key is missing, cut short or of another size.
    """

    licence = "CC BY-SA 4.0 (DSEC)"
    classes = DSEC_11
    width = WIDTH

    def __init__(self, folder: str | Path, *, rectify: bool = True, crop: bool = True):
        self.folder = Path(folder)
        self.name = self.folder.name
        require(self.folder, "the folder of a DSEC sequence")
        self._rectify, self.height = rectify, LABEL_ROWS if rectify and crop else HEIGHT
        self._file = open_hdf5(self.folder / "events" / "left" / "events.h5", "the left events")
        self._columns = {key: array(self._file, f"events/{key}") for key in "xytp"}
        lengths = {key: len(column) for key, column in self._columns.items()}
        if len(set(lengths.values())) != 1 or not lengths["t"]:
            raise DatasetError(f"{self._file.filename}: events/x, y, t, p have lengths {lengths}; download it again")
        self._ms_to_idx = whole(self._file, "ms_to_idx").astype(np.int64)
        if not len(self._ms_to_idx):
            raise DatasetError(f"{self._file.filename}: ms_to_idx is empty; download it again")
        offset = self._file.get("t_offset")
        self.t_offset_us = 0 if offset is None else int(np.ravel(offset[()])[0])
        self.time_note = "" if offset is not None else f"{self._file.filename} has no t_offset: download it again"
        self._map = self._read_map() if rectify else None
        self._to_frame: np.ndarray | None = None
        if (self.folder / "calibration" / "cam_to_cam.yaml").is_file():
            self._read_calibration()

    def _read_map(self) -> np.ndarray:
        """Integer pixel of the rectified view per raw pixel, (480, 640, 2) int32; -1 where it leaves the picture."""
        path = self.folder / "events" / "left" / "rectify_map.h5"
        with open_hdf5(path, "the rectification map beside events.h5") as file:
            found = whole(file, "rectify_map").astype(np.float64)
        if found.shape != (HEIGHT, WIDTH, 2):
            raise DatasetError(f"{path}: rectify_map has shape {found.shape}, not ({HEIGHT}, {WIDTH}, 2)")
        pixel = np.rint(found).astype(np.int32)
        outside = (pixel < 0).any(-1) | (pixel[..., 0] >= WIDTH) | (pixel[..., 1] >= self.height)
        pixel[outside] = -1
        return pixel

    def _read_calibration(self) -> None:
        path = self.folder / "calibration" / "cam_to_cam.yaml"
        try:
            content = yaml.safe_load(path.read_text())
            cameras = content["intrinsics"]
            frame, events = (_matrix(cameras[name]["camera_matrix"]) for name in ("camRect1", "camRect0"))
            turn = np.array(content["extrinsics"]["R_rect0"], float) @ np.linalg.inv(
                np.array(content["extrinsics"]["R_rect1"], float)
                @ np.array(content["extrinsics"]["T_10"], float)[:3, :3]
            )
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise DatasetError(f"{path}: not DSEC's cam_to_cam.yaml ({type(error).__name__} {error})") from None
        to_events = events @ turn @ np.linalg.inv(frame)
        self._to_frame = np.linalg.inv(to_events)
        self.calibration = Calibration(WIDTH, self.height, events)
        self.frame_camera_matrix = frame
        if not self._rectify and "cam0" in cameras:
            raw = cameras["cam0"]
            distortion = np.array(raw.get("distortion_coeffs", np.zeros(4)), float)
            self.calibration = Calibration(WIDTH, HEIGHT, _matrix(raw["camera_matrix"]), np.append(distortion, 0.0))

    @property
    def span_us(self) -> tuple[int, int]:
        """See `Sequence.span_us`."""
        times = self._columns["t"]
        first, last = (int(read(times, row, row + 1)[0]) for row in (0, len(times) - 1))
        return first + self.t_offset_us, last + self.t_offset_us

    def events(self, t0_us: int, t1_us: int) -> Events:
        """See `Sequence.events`."""
        start, stop = (self._row(t_us - self.t_offset_us) for t_us in (t0_us, t1_us))
        if stop <= start:
            return Events.empty()
        x, y, t, p = (read(self._columns[key], start, stop) for key in "xytp")
        events = self._on_sensor(x, y, t.astype(np.int64) + self.t_offset_us, p, WIDTH, HEIGHT)
        if self._map is None:
            return events
        pixel = self._map[events.y, events.x]
        inside = pixel[:, 0] >= 0
        return Events.of(pixel[inside, 0], pixel[inside, 1], events.t_us[inside], events.polarity[inside])

    def _row(self, t_us: int) -> int:
        """The first event later than `t_us` (without offset), by way of ``ms_to_idx``.

        Example: at 1500 us the table's entries 1 and 2 bound the rows of 1000 to 1999 us, which are then searched.
        """
        times = self._columns["t"]
        if t_us < 0:
            return 0
        ms = t_us // 1000
        start = int(self._ms_to_idx[ms]) if ms < len(self._ms_to_idx) else int(self._ms_to_idx[-1])
        stop = int(self._ms_to_idx[ms + 1]) if ms + 1 < len(self._ms_to_idx) else len(times)
        return start + int(np.searchsorted(read(times, start, stop).astype(np.int64), t_us, "right"))

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.frames`."""
        folder = require(self.folder / "images" / "left" / "rectified", "the left frames, rectified")
        paths = sorted(folder.glob("*.png"))
        times = _timestamps(self.folder / "images" / "timestamps.txt", len(paths), folder)
        if self._rectify and self._to_frame is None:
            require(self.folder / "calibration" / "cam_to_cam.yaml", "the calibration, to warp frames to the events")
        for t_us, path in zip(times, paths, strict=True):
            image = read_image(path, "RGB")
            yield int(t_us), image if self._to_frame is None or not self._rectify else self._warp(image, self._to_frame)

    def _warp(self, image: np.ndarray, to_frame: np.ndarray) -> np.ndarray:
        """A frame as the event camera sees it, (height, 640, 3) uint8; the frame is twice as fine, so it is halved."""
        height, width = (side // 2 * 2 for side in image.shape[:2])
        half = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3), dtype=np.float32)
        out = np.empty((self.height, WIDTH, 3), np.uint8)
        _homography(half, to_frame, out)
        return out

    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.labels`."""
        roots = [self.folder / "semantic" / "left", self.folder / "semantic"]
        root = next((one for one in roots if (one / "11classes" / "data").is_dir()), None)
        if root is None:
            raise DatasetError(f"{roots[1]}/[left/]11classes/data: not here; expected DSEC-Semantic's masks")
        # Releases differ in where the times lie: beside the masks' folder, or in the other of the two folders.
        stamps = next((one for one in (root, *roots) if (one / "timestamps.txt").is_file()), root) / "timestamps.txt"
        paths = sorted((root / "11classes" / "data").glob("*.png"))
        for t_us, path in zip(_timestamps(stamps, len(paths), root), paths, strict=True):
            mask = read_image(path, "P")
            if mask.shape != (LABEL_ROWS, WIDTH):
                raise DatasetError(
                    f"{path}: {mask.shape[1]}x{mask.shape[0]} pixels, a DSEC-Semantic mask has {WIDTH}x{LABEL_ROWS}"
                )
            mask = np.where(mask < len(DSEC_11), mask, IGNORE).astype(np.uint8)
            yield int(t_us), np.pad(mask, ((0, self.height - LABEL_ROWS), (0, 0)), constant_values=IGNORE)


def _matrix(values: list[float]) -> np.ndarray:
    fx, fy, cx, cy = values
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], float)


def _timestamps(path: Path, count: int, folder: Path) -> np.ndarray:
    """One time in microseconds a line; as many as there are pictures."""
    require(path, "one time in microseconds a line")
    try:
        times = np.loadtxt(path, dtype=np.int64, ndmin=1, comments="#")
    except ValueError as error:
        raise DatasetError(f"{path}: not one time a line ({error})") from None
    if len(times) != count:
        raise DatasetError(f"{path}: {len(times)} times for {count} pictures in {folder}; copy both again")
    return times


@njit()
def _homography(half, to_frame, out):
    """Bilinear look-up of each output pixel in the half-size frame; black beyond it."""
    rows, columns = half.shape[:2]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            w = to_frame[2, 0] * x + to_frame[2, 1] * y + to_frame[2, 2]
            # The middle of half-size pixel k lies at 2k + 0.5 of the frame.
            u = ((to_frame[0, 0] * x + to_frame[0, 1] * y + to_frame[0, 2]) / w - 0.5) / 2
            v = ((to_frame[1, 0] * x + to_frame[1, 1] * y + to_frame[1, 2]) / w - 0.5) / 2
            if not (-0.5 <= u <= columns - 0.5 and -0.5 <= v <= rows - 0.5):
                out[y, x] = 0
                continue
            u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
            x0, y0 = int(u), int(v)
            x1, y1 = min(x0 + 1, columns - 1), min(y0 + 1, rows - 1)
            fx, fy = u - x0, v - y0
            for c in range(3):
                top = half[y0, x0, c] * (1 - fx) + half[y0, x1, c] * fx
                bottom = half[y1, x0, c] * (1 - fx) + half[y1, x1, c] * fx
                out[y, x, c] = int(top * (1 - fy) + bottom * fy + 0.5)


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`; ESS's protocol. `split` is a key of `SPLITS`, such a split without one
    sequence (``train-zurich_city_08_a``), or one sequence."""
    opened = (DsecSequence(folder) for folder in _folders(root, split))
    return Split(DSEC_11, 0, (sample for sequence in opened for sample in samples(sequence, ess_protocol(frames))))


def _folders(root: Path, split: str) -> list[Path]:
    names = recordings_of(split, SPLITS)
    places = {name: (root / name, root / "train" / name, root / "test" / name) for name in names}
    missing = [name for name in names if not any(folder.is_dir() for folder in places[name])]
    if missing:
        raise DatasetError(
            f"{root}: no sequence {', '.join(missing)} in it, in train/ or in test/; splits are {', '.join(SPLITS)}, "
            "or name one sequence that is there"
        )
    return [next(folder for folder in places[name] if folder.is_dir()) for name in names]
