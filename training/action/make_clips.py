"""Makes training clips for actions and for "none of them", straight into caches: videos are read and thrown away.

    python -m training.action.make_clips JOINTS.npz CACHES/made [--clips 4000] [--seed 0] [--videos CSV]

A clip is one of: a recorded motion of a class, filmed as :mod:`training.action.render` does (still camera) or in a
scene with a moving camera, clutter and other people (:mod:`training.action.scenes`); a person who walks, turns, falls,
carries, crouches or stands; a scene without people (camera alone, things that pass, water, a crowd); a piece of a real
video. Real videos (csv: `path,group`; all of them show none of the classes) also stand behind people who do act, so
that "is it rendered?" answers nothing. Vectors and residuals come from real encoders of many settings.

Caches are written in parts of `--part` clips, whole or not at all: a run goes on where it was stopped. Processes of
torchrun or SLURM share the parts (:mod:`training.core.shares`). A clip follows from the seed and its number alone.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from halsie_ros.action.clip import read_clip
from halsie_ros.errors import VideoError
from training.action.cache import FILES, write_cache
from training.action.data import GopArrays, arrays_of
from training.action.motions import KINDS, RATE_HZ, Body
from training.action.render import MHAD_ACTIONS, background, render, retime
from training.action.scenes import Person, Scene, camera_path, film, room_or_street
from training.core.command import command, setting_up
from training.core.shares import add_share_argument, begin, finish, own_share

NONE = "none"
MIX = {"still": 0.38, "scene": 0.2, "still none": 0.12, "scene none": 0.12, "empty": 0.08, "real": 0.1}
"""How often each kind of clip is drawn; the first two show a class."""
SILHOUETTES = {"silhouette": 0.6, "silhouette none": 0.4}
"""The same of clips as a depth camera would give them (`--silhouettes`)."""
SIZES = ((176, 224), (176, 224), (144, 192), (128, 176), (192, 256), (240, 320), (256, 340))
FRAMES = 96
_STANDS = 11
"""The recorded action that begins seated; all others begin with a person who stands."""


@dataclass(frozen=True)
class Material:
    """What clips are made of.

    Attributes:
        motions: recorded joints ``(T, 16, 3) float64`` mm, with class name and subject each.
        bodies: standing poses by subject.
        videos: real ones, ``(T, H, W, 3) uint8``, with their groups.
    """

    motions: list[tuple[np.ndarray, str, str]]
    bodies: dict[str, list[Body]]
    videos: list[tuple[np.ndarray, str]]


def load_joints(path: Path) -> Material:
    """Recorded motions as `joints_subjects_1_to_7.npz` holds them."""
    data = np.load(path)
    joints, offsets = data["joints_mm"].astype(np.float64), data["offsets"]
    motions, bodies = [], dict[str, list[Body]]()
    for number, (subject, action, _) in enumerate(data["meta_subject_action_rep"]):
        motion = joints[offsets[number] : offsets[number + 1]]
        name = f"subject{subject:02d}"
        motions.append((motion, MHAD_ACTIONS[action - 1], name))
        if action != _STANDS:
            bodies.setdefault(name, []).append(Body(motion[0]))
    return Material(motions, bodies, [])


def load_videos(table: Path, longest: int = 360) -> list[tuple[np.ndarray, str]]:
    """The real videos of a csv `path,group` (paths from the csv's folder), at most 400 pixels wide, in pieces.

    Raises:
        VideoError: one cannot be read.
    """
    pieces = []
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        path = table.parent / row["path"]
        try:
            with av.open(str(path)) as container:
                frames = []
                for frame in container.decode(video=0):
                    width = min(400, frame.width)
                    size = {"width": width, "height": round(frame.height * width / frame.width)}
                    frames.append(frame.reformat(format="rgb24", **size).to_ndarray())
                    if len(frames) == 3 * longest:
                        break
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{path}: cannot be read ({error}): check {table}") from error
        pieces += [
            (np.stack(frames[at : at + longest]), row["group"])
            for at in range(0, len(frames), longest)
            if len(frames[at : at + longest]) > 40
        ]
    return pieces


def _piece(material: Material, random: np.random.Generator) -> tuple[np.ndarray, str]:
    """A random cut of a real video in place, time, speed and left to right."""
    video, group = material.videos[int(random.integers(len(material.videos)))]
    share = random.uniform(0.45, 1.0)
    rows, columns = (max(96, int(share * size)) for size in video.shape[1:3])
    up, left = int(random.integers(0, video.shape[1] - rows + 1)), int(random.integers(0, video.shape[2] - columns + 1))
    start = int(random.integers(0, max(1, len(video) - FRAMES)))
    speed = int(random.choice([1, 1, 2]))
    cut = video[start::speed][:FRAMES, up : up + rows, left : left + columns]
    return (cut[:, :, ::-1] if random.random() < 0.5 else cut), group


def _known(material: Material, random: np.random.Generator) -> tuple[np.ndarray, str, str]:
    """A part of a recorded motion at another speed, its class (all equally often) and its subject."""
    label = MHAD_ACTIONS[int(random.integers(len(MHAD_ACTIONS)))]
    chosen = [m for m in material.motions if m[1] == label]
    motion, _, subject = chosen[int(random.integers(len(chosen)))]
    motion = retime(motion, random.uniform(0.75, 1.3))
    start = int(random.integers(0, max(1, len(motion) - FRAMES + 1)))
    return motion[start : start + FRAMES], label, subject


def _unknown(material: Material, random: np.random.Generator, frames: int) -> tuple[np.ndarray, str, bool]:
    """A motion of no class, the subject whose body it moves, and whether something is carried."""
    subject = sorted(material.bodies)[int(random.integers(len(material.bodies)))]
    bodies = material.bodies[subject]
    kind = list(KINDS)[int(random.integers(len(KINDS)))]
    motion = KINDS[kind](bodies[int(random.integers(len(bodies)))], frames, random)
    return motion, subject, kind == "carry" and random.random() < 0.8


def _boxes(random: np.random.Generator, count: int, width: int, height: int, speed: float) -> np.ndarray:
    boxes = np.empty((count, 9))
    for box in boxes:
        size = random.uniform(0.03, 0.25)
        box[:4] = random.uniform(0, width), random.uniform(0.2, 1) * height, size * width, size * height * 0.7
        box[4:6] = random.normal(0, speed, 2) * [1, 0.2]
        box[6:] = random.uniform(5, 250, 3)
    return boxes


def _scene(
    material: Material, random: np.random.Generator, people: list[Person], frames: int, height: int, width: int
) -> Scene:
    """A scene about people: canvas, camera, passers-by, things before and behind."""
    kind = random.random()
    if material.videos and kind < 0.35:
        canvas, _ = _piece(material, random)
    elif kind < 0.7:
        canvas = room_or_street(random, int(1.6 * height), int(1.6 * width))
    else:
        canvas = background(random, int(1.6 * height), int(1.6 * width))
    strength = float(random.choice([0.0, 0.0, 0.3, 1.0])) * random.random()
    people = list(people)
    if random.random() < 0.3:
        for _ in range(int(random.integers(1, 3))):
            walk, _, _ = _unknown(material, random, frames)
            place = (random.uniform(-0.5, 0.5), random.uniform(-0.1, 0.1))
            people.insert(0, Person(walk, random.uniform(0.2, 0.5), place, random.uniform(0, 6.3)))
    count = int(random.integers(0, 4)) if random.random() < 0.4 else 0
    boxes = _boxes(random, count, width, height, float(random.choice([0.0, 1.0])))
    in_front = int(count > 0 and random.random() < 0.5)
    return Scene(people, canvas, camera_path(random, frames, height, strength), boxes, in_front)


def _without_people(material: Material, random: np.random.Generator, height: int, width: int) -> Scene:
    """A camera alone, things that pass, water, or a crowd far off."""
    size = int(1.6 * height), int(1.6 * width)
    canvas = room_or_street(random, *size) if random.random() < 0.6 else background(random, *size)
    scene = Scene([], canvas, camera_path(random, FRAMES, height, float(random.choice([0.0, 0.5, 1.0, 2.0]))))
    kind = int(random.integers(4))
    if kind == 1:
        scene.boxes = _boxes(random, int(random.integers(1, 7)), width, height, random.uniform(0.3, 4.0))
    elif kind == 2:
        scene.water = random.uniform(2, 30)
    elif kind == 3:
        for _ in range(int(random.integers(3, 9))):
            motion, _, carries = _unknown(material, random, FRAMES)
            place = (random.uniform(-0.5, 0.5), random.uniform(-0.1, 0.25))
            scene.people.append(Person(motion, random.uniform(0.12, 0.4), place, random.uniform(0, 6.3), carries))
    return scene


def make(material: Material, kind: str, random: np.random.Generator) -> tuple[np.ndarray, str, str]:
    """Pictures ``(T, H, W, 3) uint8`` of one clip, its label and its group."""
    height, width = SIZES[int(random.integers(len(SIZES)))]
    if kind == "real" and not material.videos:
        kind = "empty"
    if kind == "real":
        canvas, group = _piece(material, random)
        path = camera_path(random, len(canvas), height, float(random.choice([0.0, 0.0, 0.0, 0.5])))
        return film(Scene([], canvas, path), random, height=height, width=width), NONE, group
    if kind == "empty":
        return film(_without_people(material, random, height, width), random, height=height, width=width), NONE, "empty"
    carries = False
    if kind.endswith(NONE):
        motion, subject, carries = _unknown(material, random, FRAMES)
        label = NONE
    else:
        motion, label, subject = _known(material, random)
    if kind.startswith("still"):
        return render(motion, random, height=height, width=width), label, subject
    if kind.startswith("silhouette"):
        return _silhouette(motion, random, height, width), label, subject
    hips = (motion[:, 1] - motion[:, 5]).mean(0)
    turn = np.arctan2(hips[2], hips[0]) + random.uniform(-1.9, 1.9) * random.random() ** 0.5
    share = float(np.clip(random.normal(0.6, 0.2), 30 / height, 1.1))
    place = (random.normal(0, 0.15), random.normal(0, 0.05))
    scene = _scene(material, random, [Person(motion, share, place, turn, carries)], len(motion), height, width)
    return film(scene, random, height=height, width=width), label, subject


def _silhouette(motion: np.ndarray, random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A person as a depth camera sees one: a grey figure about as tall as the picture, from the front, before blots."""
    hips = (motion[0, 1] - motion[0, 5]) if random.random() < 0.7 else (motion[:, 1] - motion[:, 5]).mean(0)
    turn = np.arctan2(hips[2], hips[0]) + random.normal(0, 0.35)
    place = (random.normal(0, 0.08), random.normal(0.05, 0.05))
    person = Person(motion, random.uniform(0.55, 0.9), place, turn, silhouette=True)
    canvas = background(random, height, width).mean(2, keepdims=True).repeat(3, 2)
    return film(Scene([person], canvas, np.zeros((len(motion), 4))), random, height=height, width=width)


def encode_anyhow(path: Path, frames: np.ndarray, random: np.random.Generator) -> None:
    """Writes pictures with an encoder, a rate and settings drawn at random: starved to generous, 15 to 30 Hz."""
    rate = int(random.choice([30, 30, 30, 25, 20, 15]))
    if rate != RATE_HZ:
        frames = frames[(np.arange(int(len(frames) * rate / RATE_HZ)) * RATE_HZ / rate).astype(int)]
    gop = int(random.choice([12, 12, 12, 10, 15, 30, 60]))
    mpeg4 = random.random() < 0.12
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4" if mpeg4 else "libx264", rate=Fraction(rate))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.thread_count = 1
        if mpeg4:
            stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, 0
            stream.codec_context.bit_rate = int(frames.shape[1] * frames.shape[2] * rate * random.uniform(0.05, 0.4))
        else:
            presets = ("ultrafast", "superfast", "veryfast", "veryfast", "faster", "medium", "slow")
            stream.options = {
                "crf": str(int(random.integers(17, 36))), "preset": presets[int(random.integers(len(presets)))],
                "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "bf": "0", "refs": "1",
            }  # fmt: skip
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _one(
    material: Material, mix: dict[str, float], seed: int, number: int, folder: Path
) -> tuple[GopArrays, str, str] | None:
    random = np.random.default_rng((seed, number))
    kind = str(random.choice(list(mix), p=list(mix.values())))
    frames, label, group = make(material, kind, random)
    path = folder / "clip.mp4"
    encode_anyhow(path, frames, random)
    segments = read_clip(path, segments=None)
    return (arrays_of(segments), label, group) if segments else None


@command
def main(arguments: list[str] | None = None) -> int:
    """Writes the caches `OUT/00000`, `OUT/00001`, …"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("joints", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=4000)
    parser.add_argument("--part", type=int, default=250, help="clips of a part (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", type=Path, help="csv with path,group of real videos that show none of the classes")
    parser.add_argument("--silhouettes", action="store_true", help="people as depth cameras see them, instead")
    add_share_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        first, stride = args.share or own_share()
        material = load_joints(args.joints)
        if args.videos:
            material.videos.extend(load_videos(args.videos))
        begin(args.out)
    mix = SILHOUETTES if args.silhouettes else MIX
    parts = [f"{part:05d}" for part in range(-(-args.clips // args.part))]
    for part in range(first, len(parts), stride):
        folder = args.out / parts[part]
        if folder.exists():
            continue
        with tempfile.TemporaryDirectory(dir=args.out, prefix=".making_") as making:
            numbers = range(part * args.part, min(args.clips, (part + 1) * args.part))
            made = [(n, _one(material, mix, args.seed, n, Path(making))) for n in numbers]
            whole = [(n, clip) for n, clip in made if clip is not None]
            write_cache(
                Path(making), [clip[0] for _, clip in whole], labels=[clip[1] for _, clip in whole],
                groups=[clip[2] for _, clip in whole], paths=[f"{args.seed}_{n}" for n, _ in whole],
            )  # fmt: skip
            (Path(making) / "clip.mp4").unlink(missing_ok=True)
            shutil.copytree(making, folder.with_suffix(".part"))
            folder.with_suffix(".part").rename(folder)
        print(f"{folder}: {len(whole)} clips", flush=True)
    finish(args.out, [f"{part}/{name}" for part in parts for name in FILES], {}, {"seed": args.seed})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
