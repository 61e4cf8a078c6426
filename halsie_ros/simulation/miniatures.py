"""Small recordings in the official on-disk layouts of DSEC, MVSEC and DDD17, made from the procedural street.

For tests and for trying a data set's whole path without the data set. Nothing in them is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from halsie_ros.classes import DDD17_6, DSEC_11, remap
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events
from halsie_ros.simulation.recording import record_scene


@dataclass(frozen=True, eq=False)
class Take:
    """A short recording in memory.

    Attributes:
        t_us: (N,) int64 times of the frames, from the recording's start.
        frames: (N, H, W, 3) uint8 RGB.
        labels: (N, H, W) uint8 ids of `DSEC_11`.
        events: all events, by time, in the frames' pixels.
    """

    t_us: np.ndarray
    frames: np.ndarray
    labels: np.ndarray
    events: Events


def take_scene(seed: int, duration_s: float, width: int, height: int, frame_rate_hz: float = 20.0) -> Take:
    """Records the street; `seed` as `record_scene` takes it."""
    moments = list(record_scene(seed, duration_s, "day", width, height, frame_rate_hz=frame_rate_hz))
    return Take(
        np.array([moment.t_us for moment in moments], np.int64),
        np.stack([moment.frame for moment in moments]),
        np.stack([moment.labels for moment in moments]),
        Events.concatenate(moment.events for moment in moments),
    )


def _modules() -> tuple[Any, Any, Any]:
    try:
        import h5py
        import hdf5plugin
        from PIL import Image
    except ImportError as error:
        raise DatasetError(
            f"{error.name} is not installed: `pip install halsie_ros[data]` brings what data sets need"
        ) from None
    return h5py, hdf5plugin, Image


def write_dsec(
    root: Path, name: str, take: Take, *, t_offset_us: int = 49_599_300_000, semantic_left: bool = True
) -> Path:
    """Writes a take of 640x480 as the DSEC sequence ``root/name`` (Blosc with ZSTD); gives its folder.

    Frames are written at 1440x1080, as a camera at the event camera's place with 2.25 times its focal length would see
    them, so that the calibration maps each onto the take's own frame. Rectification moves events by up to 3 pixels.

    Args:
        root: where the sequence goes.
        name: of the sequence.
        take: 640 x 480 pixels.
        t_offset_us: added to the take's times.
        semantic_left: labels in ``semantic/left/11classes`` rather than ``semantic/11classes``.
    """
    h5py, hdf5plugin, Image = _modules()
    folder = root / name
    events = folder / "events" / "left"
    events.mkdir(parents=True)
    raw = take.events
    blosc = hdf5plugin.Blosc(cname="zstd", clevel=1, shuffle=hdf5plugin.Blosc.SHUFFLE)
    with h5py.File(events / "events.h5", "w") as file:
        for key, values in (("x", raw.x), ("y", raw.y), ("t", raw.t_us.astype(np.uint32)), ("p", raw.polarity)):
            stored = values.astype(np.uint8) if key == "p" else values
            file.create_dataset(f"events/{key}", data=stored, chunks=(min(max(len(raw), 1), 16384),), **blosc)
        last_ms = int(raw.t_us[-1]) // 1000 if len(raw) else 0
        file["ms_to_idx"] = np.searchsorted(raw.t_us, np.arange(last_ms + 1) * 1000).astype(np.uint64)
        file["t_offset"] = np.int64(t_offset_us)
    with h5py.File(events / "rectify_map.h5", "w") as file:
        file.create_dataset("rectify_map", data=rectify_map(), **blosc)
    images = folder / "images" / "left" / "rectified"
    labels = folder / "semantic" / ("left" if semantic_left else "") / "11classes" / "data"
    for path in (images, labels, folder / "calibration"):
        path.mkdir(parents=True)
    for number, (frame, mask) in enumerate(zip(take.frames, take.labels, strict=True)):
        Image.fromarray(frame).resize((1440, 1080), Image.Resampling.BILINEAR).save(
            images / f"{number:06d}.png", compress_level=1
        )
        Image.fromarray(mask[:440]).save(labels / f"{number:06d}.png", compress_level=1)
    stamps = "".join(f"{t_us + t_offset_us}\n" for t_us in take.t_us)
    (folder / "images" / "timestamps.txt").write_text(stamps)
    (labels.parents[1] / "timestamps.txt").write_text(stamps)
    (folder / "calibration" / "cam_to_cam.yaml").write_text(yaml.safe_dump(_dsec_calibration()))
    return folder


def rectify_map() -> np.ndarray:
    """A mild radial map, (480, 640, 2) float32, [y, x] -> (x, y) rectified."""
    y, x = np.mgrid[:480, :640].astype(np.float32)
    u, v = (x - 319.5) / 320, (y - 239.5) / 320
    stretch = 1 + 0.006 * (u * u + v * v)
    return np.stack([319.5 + 320 * u * stretch, 239.5 + 320 * v * stretch], -1)


def _dsec_calibration() -> dict[str, Any]:
    focal, zoom = 550.0, 2.25
    events = [focal, focal, 319.5, 239.5]
    # Pixel k of a picture zoomed about its corner lies at zoom * (k + 0.5) - 0.5.
    frames = [focal * zoom, focal * zoom, zoom * 320 - 0.5, zoom * 240 - 0.5]
    identity = np.eye(4).tolist()
    return {
        "intrinsics": {
            "cam0": {"camera_matrix": events, "distortion_coeffs": [-0.09, 0.1, 0.0, 0.0], "resolution": [640, 480]},
            "camRect0": {"camera_matrix": events, "resolution": [640, 480]},
            "cam1": {"camera_matrix": frames, "distortion_coeffs": [0.0] * 4, "resolution": [1440, 1080]},
            "camRect1": {"camera_matrix": frames, "resolution": [1440, 1080]},
        },
        "extrinsics": {
            "R_rect0": np.eye(3).tolist(),
            "R_rect1": np.eye(3).tolist(),
            "T_10": identity,
        },
    }


def write_mvsec(root: Path, name: str, take: Take, *, start_s: float = 1506117000.0) -> Path:
    """Writes a take of 346x260 as ``<name>_data.hdf5``, ``<name>_gt.hdf5``, a camchain and a folder of pseudo-labels.

    The pseudo-labels (``root/labels/<name>/000000.png``) are the scene's own, in DDD17's classes. Times are absolute
    seconds as float64, events float64 rows. Depth, pose and imu hold plain made-up values.
    """
    h5py, _, Image = _modules()
    root.mkdir(parents=True, exist_ok=True)
    events, stamps = take.events, start_s + take.t_us * 1e-6
    rows = np.stack(
        [events.x, events.y, start_s + events.t_us * 1e-6, np.where(events.polarity, 1.0, -1.0)], 1, dtype=np.float64
    )
    grey = (take.frames @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    times = start_s + np.arange(0, int(take.t_us[-1]), 5000) * 1e-6
    with h5py.File(root / f"{name}_data.hdf5", "w") as file:
        left = file.create_group("davis/left")
        left["events"] = rows
        left["image_raw"], left["image_raw_ts"] = grey, stamps
        left["image_raw_event_inds"] = np.searchsorted(rows[:, 2], stamps).astype(np.int64) - 1
        left["imu"] = np.tile([0.0, 0.0, 9.81, 0.01, 0.02, 0.03], (len(times), 1))
        left["imu_ts"] = times
    height, width = grey.shape[1:]
    with h5py.File(root / f"{name}_gt.hdf5", "w") as file:
        left = file.create_group("davis/left")
        depth = np.linspace(60, 3, height, dtype=np.float32)[:, None] * np.ones(width, np.float32)
        left["depth_image_rect"] = np.stack([depth] * len(stamps))
        left["pose"] = np.stack([np.eye(4)] * len(stamps))
        for key in ("depth_image_rect_ts", "pose_ts"):
            left[key] = stamps
    place = name.rstrip("0123456789")
    camera = {
        "camera_model": "pinhole",
        "distortion_model": "equidistant",
        "distortion_coeffs": [-0.03, 0.01, 0.0, 0.0],
        "intrinsics": [226.4, 226.1, 173.6, 133.7],
        "resolution": [width, height],
    }
    (root / f"camchain-imucam-{place}.yaml").write_text(yaml.safe_dump({"cam0": camera}))
    _save_masks(Image, root / "labels" / name, take.labels, "{:06d}.png")
    return root / f"{name}_data.hdf5"


def write_ddd17_ess(root: Path, folder: str, take: Take) -> Path:
    """Writes a take of 346x260 as a recording of ESS's DDD17 release (``dirN``, pictures from 1); gives its folder."""
    _, _, Image = _modules()
    home = root / folder
    for part in ("index", "imgs"):
        (home / part).mkdir(parents=True)
    events = take.events
    events.t_us.reshape(-1, 1).astype(np.int64).tofile(home / "events.dat.t")
    np.stack([events.x, events.y, events.polarity], 1).astype(np.int16).tofile(home / "events.dat.xyp")
    for ms in (10, 50, 250):
        rows = [np.searchsorted(events.t_us, take.t_us - back) for back in (0, ms * 1000)]
        np.save(home / "index" / f"index_{ms}ms.npy", np.stack([take.t_us, *rows], 1).astype(np.int64))
    for number, frame in enumerate(take.frames, 1):
        Image.fromarray(frame).convert("L").save(home / "imgs" / f"img_{number:08d}.png")
    _save_masks(Image, home / "segmentation_masks", take.labels[:, :200], "segmentation_{:08d}.png", first=1)
    return home


def write_ddd17_evsegnet(root: Path, split: str, recording: str, take: Take) -> None:
    """Writes a take of 346x260 into Ev-SegNet's DDD17 release at `root`: pictures, labels, statistics of 50 ms."""
    _, _, Image = _modules()
    folders = {kind: root / kind / split for kind in ("images", "labels", "events")}
    for path in folders.values():
        path.mkdir(parents=True, exist_ok=True)
    for number, (t_us, frame, mask) in enumerate(zip(take.t_us, take.frames, take.labels, strict=True)):
        name = f"rec{recording}_export_{number}"
        Image.fromarray(frame[:200]).convert("L").save(folders["images"] / f"{name}.png")
        Image.fromarray(remap(mask[:200], DSEC_11, DDD17_6)).save(folders["labels"] / f"{name}.png")
        np.save(folders["events"] / f"{name}.npy", statistics(take.events.between(t_us - 50_000, t_us), t_us - 50_000))


def statistics(events: Events, t0_us: int) -> np.ndarray:
    """Counts, mean times and spreads per pixel and polarity as Ev-SegNet keeps them, (200, 346, 6) float32."""
    out = np.zeros((200, 346, 6), np.float64)
    share = (events.t_us - t0_us) / 50_000
    for sign, chosen in enumerate((events.polarity, ~events.polarity)):
        chosen = chosen & (events.y < 200)
        cells = events.y[chosen].astype(np.int64) * 346 + events.x[chosen]
        count, first, second = (
            np.bincount(cells, weights, minlength=200 * 346).reshape(200, 346)
            for weights in (None, share[chosen], share[chosen] ** 2)
        )
        mean = first / np.maximum(count, 1)
        out[..., sign], out[..., 2 + sign] = count, mean
        out[..., 4 + sign] = np.sqrt(np.maximum(second / np.maximum(count, 1) - mean**2, 0))
    return out.astype(np.float32)


def _save_masks(
    image: Any, folder: Path, labels: Sequence[np.ndarray] | np.ndarray, pattern: str, first: int = 0
) -> None:
    folder.mkdir(parents=True)
    for number, mask in enumerate(labels, first):
        image.fromarray(remap(mask, DSEC_11, DDD17_6)).save(folder / pattern.format(number))
