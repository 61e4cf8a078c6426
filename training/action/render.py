"""More training clips from motion capture: capsule figures of recorded joints, seen by other cameras.
`python -m training.action.render JOINTS.npz OUT --clips 1500 --seed 0 [--shard 0/2]` writes H.264 clips and `clips.csv`
(path, label, subject), resumable: a clip that is already there is kept. Camera, clothes, background, body width,
speed and encoder quality are drawn from the clip's own seed, so that a clip is the same whatever the number of shards.
"""

from __future__ import annotations

import argparse
import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from halsie_ros.kernels import njit
from training.core.command import command

MHAD_ACTIONS = (
    "jump", "jumping_jacks", "bend", "punch", "wave_two_hands", "wave_one_hand", "clap", "throw", "sit_then_stand",
    "sit", "stand",
)  # fmt: skip
"""Class names in the order of Berkeley MHAD's action numbers, 1 to 11."""

# joint pairs, radius in mm, and which cloth colours the capsule (0 shirt, 1 trousers, 2 shoes, 3 skin)
_BONES = np.array([
    (1, 2, 75, 1), (2, 3, 55, 1), (3, 4, 42, 2), (5, 6, 75, 1), (6, 7, 55, 1), (7, 8, 42, 2), (1, 5, 85, 1),
    (0, 9, 140, 0), (10, 13, 70, 0), (10, 11, 48, 0), (11, 12, 38, 3), (13, 14, 48, 0), (14, 15, 38, 3),
    (1, 10, 85, 0), (5, 13, 85, 0),
])  # fmt: skip
_HEAD_RISE_MM, _HEAD_RADIUS_MM = 190.0, 105.0


@njit()
def draw(image: np.ndarray, ends: np.ndarray, radii: np.ndarray, colours: np.ndarray) -> None:
    """Paints capsules (ends (N, 2, 2) x, y and radii (N, 2) in pixels), in order, edges one pixel soft."""
    height, width = image.shape[:2]
    for index in range(len(ends)):
        x0, y0, r0 = ends[index, 0, 0], ends[index, 0, 1], radii[index, 0]
        x1, y1, r1 = ends[index, 1, 0], ends[index, 1, 1], radii[index, 1]
        reach = max(r0, r1) + 1.0
        dx, dy = x1 - x0, y1 - y0
        length2 = dx * dx + dy * dy + 1e-9
        for y in range(max(0, int(min(y0, y1) - reach)), min(height, int(max(y0, y1) + reach) + 2)):
            for x in range(max(0, int(min(x0, x1) - reach)), min(width, int(max(x0, x1) + reach) + 2)):
                along = min(1.0, max(0.0, ((x - x0) * dx + (y - y0) * dy) / length2))
                distance = np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2)
                cover = r0 + along * (r1 - r0) - distance + 0.5
                if cover <= 0.0:
                    continue
                cover = min(cover, 1.0)
                for channel in range(3):
                    image[y, x, channel] += cover * (colours[index, channel] - image[y, x, channel])


def background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth random blotches with grain, (H, W, 3) float32, grey levels; coloured or grey, strong or faint."""
    cells = int(rng.integers(3, 22))
    coarse = rng.uniform(0, 255, (cells, int(cells * 1.3) + 1, 3))
    if rng.random() < 0.3:
        coarse[:] = coarse[..., :1]
    image = coarse
    for axis, size in ((0, height), (1, width)):
        at = np.linspace(0, image.shape[axis] - 1, size)
        low = np.minimum(at.astype(int), image.shape[axis] - 2)
        part = at - low
        part = (part * part * (3 - 2 * part)).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        image = np.take(image, low, axis) * (1 - part) + np.take(image, low + 1, axis) * part
    image = 128 + (image - 128) * rng.uniform(0.3, 1.2) + rng.uniform(-40, 40)
    return np.clip(image + rng.normal(0, rng.uniform(0, 16), (height, width, 1)), 0, 255).astype(np.float32)


def render(
    joints_mm: np.ndarray, rng: np.random.Generator, *, height: int = 176, width: int = 224, max_azimuth: float = 1.9
) -> np.ndarray:
    """Draws a figure from one random camera.

    Args:
        joints_mm: (T, 16, 3), y up.
        rng: draws camera, clothes, body and background.
        height: pixels.
        width: pixels.
        max_azimuth: the camera stands within plus or minus this of the front, radians.

    Returns:
        (T, height, width, 3) uint8 RGB.
    """
    joints = joints_mm.astype(np.float64)
    middle = (joints.reshape(-1, 3).max(0) + joints.reshape(-1, 3).min(0)) / 2
    tall = max(1500.0, np.ptp(joints[..., 1]) + 300)
    joints = (joints - middle) * rng.uniform(0.94, 1.06, 3)
    # the figure may face any way in the recording's room: the line of the hips gives its front
    hips = (joints[:, 1] - joints[:, 5]).mean(0)
    turn = np.arctan2(hips[2], hips[0]) + rng.uniform(-max_azimuth, max_azimuth) * rng.random() ** 0.5
    tilt, roll = rng.uniform(-0.1, 0.45), rng.normal(0, 0.03)
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    down = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = joints @ (lean @ down @ around).T
    distance = rng.uniform(2.2, 5.0) * tall
    focal = rng.uniform(0.6, 1.0) * height / tall * distance
    shift = np.array([rng.normal(0, 0.1) * width, rng.normal(0, 0.04) * height])
    fat = rng.uniform(0.8, 1.3)
    colours = clothes(rng)
    ends, radii, order = capsules(turned, fat, distance, focal, np.array([width, height]) / 2 + shift)
    scene = background(rng, height, width)
    frames = np.empty((len(joints), height, width, 3), np.uint8)
    for t in range(len(joints)):
        image = scene.copy()
        draw(image, ends[t][order[t]], radii[t][order[t]], colours[order[t]])
        frames[t] = image
    return frames


def clothes(rng: np.random.Generator) -> np.ndarray:
    """A colour for each capsule, (N, 3) grey levels: shirt, trousers, shoes and skin, or all alike."""
    cloth = rng.uniform(10, 245, (4, 3))
    cloth[3] = np.array([200, 160, 130]) * rng.uniform(0.35, 1.2)
    if rng.random() < 0.3:
        cloth[:] = cloth[:1] * rng.uniform(0.8, 1.2, (4, 1))
    colours = np.concatenate([cloth[_BONES[:, 3]], cloth[3:4]])
    return np.clip(colours * rng.uniform(0.85, 1.15, (len(colours), 1)), 0, 255)


def capsules(
    turned_mm: np.ndarray, fat: float, distance_mm: float, focal: float, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A figure's capsules as a pinhole camera sees them.

    Args:
        turned_mm: joints in the camera's axes, (T, 16, 3), z towards it.
        fat: times the usual radii.
        distance_mm: from the camera to z = 0.
        focal: pixels.
        middle: (2,) pixel at which x = y = 0 is seen.

    Returns:
        Ends (T, N, 2, 2) x, y in pixels, radii (T, N, 2) pixels, and the order (T, N) from back to front.
    """
    neck = turned_mm[:, 9] - turned_mm[:, 0]
    head = turned_mm[:, 9] + neck / np.maximum(np.linalg.norm(neck, axis=1, keepdims=True), 1.0) * _HEAD_RISE_MM
    points = np.stack([
        np.concatenate([turned_mm[:, _BONES[:, 0]], head[:, None]], 1),
        np.concatenate([turned_mm[:, _BONES[:, 1]], head[:, None] - 1e-3], 1),
    ], 2)  # fmt: skip
    scale = focal / (distance_mm - points[..., 2])
    radii = np.concatenate([_BONES[:, 2] * fat, [_HEAD_RADIUS_MM]])[None, :, None] * scale
    ends = middle + points[..., :2] * np.array([1, -1]) * scale[..., None]
    return ends, radii, np.argsort(points[..., 2].sum(2), 1)


def encode(
    path: Path, frames: np.ndarray, *, gop: int = 12, fps: int = 30, crf: int = 23, preset: str = "veryfast"
) -> None:
    """Writes (T, H, W, 3) uint8 RGB as H.264 without B-frames, one I-frame every `gop` frames, one thread.

    The file appears whole or not at all.
    """
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {
            "crf": str(crf), "preset": preset, "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "bf": "0",
            "refs": "1",
        }  # fmt: skip
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    part.replace(path)


def retime(joints_mm: np.ndarray, speed: float) -> np.ndarray:
    """Plays (T, 16, 3) joints `speed` times as fast, by linear interpolation."""
    at = np.arange(0, len(joints_mm) - 1, speed)
    low = at.astype(int)
    part = (at - low)[:, None, None]
    result: np.ndarray = joints_mm[low] * (1 - part) + joints_mm[low + 1] * part
    return result


@command
def main(arguments: list[str] | None = None) -> int:
    """Renders more views of recorded motions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("joints", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard", default="0/1", help="i/n: the i-th of n processes")
    args = parser.parse_args(arguments)
    shard, shards = (int(part) for part in args.shard.split("/"))
    data = np.load(args.joints)
    joints, offsets, meta = data["joints_mm"].astype(np.float64), data["offsets"], data["meta_subject_action_rep"]
    order = np.random.default_rng(args.seed).permutation(np.resize(np.arange(len(meta)), args.clips))
    rows = []
    for number, sequence in enumerate(order):
        subject, action, _ = meta[sequence]
        path = Path(MHAD_ACTIONS[action - 1]) / f"r{args.seed}_{number:05d}.mp4"
        rows.append((path, MHAD_ACTIONS[action - 1], f"subject{subject:02d}"))
        if number % shards != shard or (args.out / path).exists():
            continue
        rng = np.random.default_rng((args.seed, number))
        motion = retime(joints[offsets[sequence] : offsets[sequence + 1]], rng.uniform(0.8, 1.25))
        start = int(rng.integers(0, max(1, len(motion) - 90 + 1)))
        (args.out / path).parent.mkdir(parents=True, exist_ok=True)
        encode(args.out / path, render(motion[start : start + 90], rng), crf=int(rng.integers(20, 29)))
    with (args.out / f"clips_{shard}.csv" if shards > 1 else args.out / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "subject"), *rows])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
