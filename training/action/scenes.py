"""Pictures of people before moving backgrounds, as a robot's camera sees them.

A scene is a canvas (generated, or frames of a real video), a camera that pans, shakes, turns and zooms over it, people
drawn as capsules, things that pass by or stand in front, and a sensor with noise and changing exposure. Everything is
drawn from one generator; vectors and residuals then come from a real encoder (:mod:`training.action.make_clips`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halsie_ros.kernels import njit
from training.action.render import background, capsules, clothes, draw


@dataclass(frozen=True)
class Person:
    """Someone in a scene.

    Attributes:
        joints_mm: ``(T, 16, 3)``, y up.
        height: of the standing person as a share of the picture's height.
        place: of the middle of its whole motion, as shares of the picture from its middle, x and y.
        turn: radians by which the person is turned about y.
        carries: whether a box is in its hands.
        silhouette: of one colour, with edges that are ragged anew in every picture, as depth cameras see people.
    """

    joints_mm: np.ndarray
    height: float
    place: tuple[float, float]
    turn: float
    carries: bool = False
    silhouette: bool = False


@dataclass
class Scene:
    """What is in front of the camera.

    Attributes:
        people: drawn from the first to the last.
        canvas: ``(H, W, 3) float32`` grey levels, larger than the picture, or frames of a video ``(T, H, W, 3) uint8``.
        camera: ``(T, 4)``: shift x, y in pixels, turn in radians, logarithm of the zoom.
        boxes: ``(N, 9)``: centre x, y, half width, half height, speed x, y (pixels, pixels a frame), colour.
        in_front: so many of them, the last, stand in front of the people.
        water: strength of a rippling surface in the lower part, grey levels.
    """

    people: list[Person]
    canvas: np.ndarray
    camera: np.ndarray
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 9)))
    in_front: int = 0
    water: float = 0.0


@njit()
def _warp(canvas: np.ndarray, matrix: np.ndarray, picture: np.ndarray) -> None:
    """picture (H, W, 3) float32 of canvas at ``matrix (2, 3) @ (x, y, 1)``, bilinear, mirrored at the edges."""
    height, width = picture.shape[:2]
    rows, columns = canvas.shape[0], canvas.shape[1]
    for y in range(height):
        for x in range(width):
            u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
            v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
            u = abs(u) % (2 * (columns - 1))
            v = abs(v) % (2 * (rows - 1))
            if u > columns - 1:
                u = 2 * (columns - 1) - u
            if v > rows - 1:
                v = 2 * (rows - 1) - v
            left, up = min(int(u), columns - 2), min(int(v), rows - 2)
            a, b = u - left, v - up
            for c in range(3):
                top = canvas[up, left, c] * (1 - a) + canvas[up, left + 1, c] * a
                low = canvas[up + 1, left, c] * (1 - a) + canvas[up + 1, left + 1, c] * a
                picture[y, x, c] = top * (1 - b) + low * b


def room_or_street(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A canvas of walls, floor, furniture, doors and windows, or houses and kerbs: boxes with edges and texture."""
    image = background(random, height, width)
    image = 128 + (image - 128) * random.uniform(0.1, 0.5) + random.uniform(-50, 50)
    horizon = int(height * random.uniform(0.45, 0.8))
    image[horizon:] = image[horizon:] * 0.5 + random.uniform(20, 200, 3) * 0.5
    for _ in range(int(random.integers(4, 40))):
        w, h = int(random.uniform(0.02, 0.3) * width), int(random.uniform(0.03, 0.5) * height)
        x, y = int(random.uniform(-0.1, 1) * width), int(random.uniform(-0.2, 1) * height)
        patch = image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
        if not patch.size:
            continue
        patch *= 1 - (cover := random.uniform(0.4, 1.0))
        patch += cover * random.uniform(5, 250, 3)
        if random.random() < 0.4:  # bricks, shelves, blinds
            lines = (np.arange(patch.shape[0]) // random.integers(2, 12)) % 2
            patch += (random.uniform(-40, 40) * lines)[:, None, None]
    return np.clip(image + random.normal(0, random.uniform(0, 8), (height, width, 1)), 0, 255).astype(np.float32)


def camera_path(random: np.random.Generator, frames: int, size: float, strength: float) -> np.ndarray:
    """A robot's camera ``(T, 4)``, see `Scene`: drive or pan, turn, approach, vibration.

    Args:
        random: draws it.
        frames: T.
        size: of the picture, pixels.
        strength: 0 stands still; 1 a lively robot (half a picture a second).
    """
    path = np.zeros((frames, 4))
    if strength <= 0:
        return path
    t = np.arange(frames) / 30
    kind = random.integers(4)
    way = random.uniform(0, 2 * np.pi)
    pan = strength * size * random.uniform(0.05, 0.5)
    slow = np.sin(2 * np.pi * random.uniform(0.1, 0.5) * t + random.uniform(0, 6.3)) / 2 if kind == 1 else t
    if kind != 2:
        path[:, 0] += pan * slow * np.cos(way)
        path[:, 1] += 0.4 * pan * slow * np.sin(way)
    if kind >= 2:
        path[:, 3] += strength * random.uniform(-0.25, 0.25) * t
        path[:, 2] += strength * random.uniform(-0.15, 0.15) * np.sin(2 * np.pi * random.uniform(0.1, 0.6) * t)
    if random.random() < 0.6:
        shake = np.cumsum(random.normal(0, 1, (frames, 4)), 0)
        shake -= np.linspace(0, 1, frames)[:, None] * shake[-1]
        path += shake * np.array([0.004, 0.004, 0.0006 / size * 100, 0.0004]) * [size, size, 1, 1] * strength
    return path


def _shot(
    person: Person, random: np.random.Generator, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A person's capsules in the canvas seen straight on: ends, radii, order (see `capsules`) and colours."""
    joints = person.joints_mm - (person.joints_mm.min((0, 1)) + person.joints_mm.max((0, 1))) / 2
    tall = 1750.0
    tilt, roll = random.uniform(-0.1, 0.45), random.normal(0, 0.03)
    cosine, sine = np.cos(person.turn), np.sin(person.turn)
    around = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    down = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    distance = random.uniform(2.4, 6.0) * tall + np.abs(joints).max()
    middle = np.array([width, height]) * (0.5 + np.asarray(person.place))
    ends, radii, order = capsules(
        joints @ (lean @ down @ around).T, random.uniform(0.8, 1.3), distance, person.height * height / tall * distance,
        middle,
    )  # fmt: skip
    colours = clothes(random)
    if person.silhouette:
        colours = np.repeat(random.uniform(20, 235, (1, 1)), 3, 1) * random.uniform(0.96, 1.04, (len(colours), 1))
        radii = radii * random.normal(1.0, 0.1, radii.shape).clip(0.7, 1.3)
        ends = ends + random.normal(0, 0.08, ends.shape) * radii[..., None]
    if person.carries:  # a box between the hands: the two forearms' far ends (capsules 10 and 12), drawn last
        hands = ends[:, [10, 12], 1]
        ends = np.concatenate([ends, hands[:, None]], 1)
        wide = np.full((len(ends), 1, 2), random.uniform(1.2, 3.0)) * radii[:, 10:11, 1:]
        radii = np.concatenate([radii, wide], 1)
        order = np.concatenate([order, np.full((len(ends), 1), radii.shape[1] - 1)], 1)
        colours = np.concatenate([colours, random.uniform(5, 250, (1, 3))])
    return ends, radii, order, colours


def film(scene: Scene, random: np.random.Generator, *, height: int, width: int) -> np.ndarray:
    """The pictures ``(T, height, width, 3) uint8`` RGB of a scene.

    People stand in the canvas and move with it; nearer ones move more (parallax), by up to a fifth.
    """
    frames = len(scene.camera)
    video = scene.canvas.ndim == 4
    rows, columns = scene.canvas.shape[-3:-1]
    scale = min(columns / width, rows / height) if video else 1.0
    shots = [_shot(person, random, height, width) for person in scene.people]
    parallax = random.uniform(1.0, 1.2, len(shots))
    exposure = np.ones(frames)
    if random.random() < 0.25:
        exposure += random.uniform(-0.3, 0.3) * np.sin(2 * np.pi * random.uniform(0.05, 0.8) * np.arange(frames) / 30)
    noise = random.choice([0.0, 1.0, 3.0, 6.0]) * random.random()
    grain = random.normal(0, noise, (height + 64, width + 64, 1)).astype(np.float32)
    out, picture = np.empty((frames, height, width, 3), np.uint8), np.empty((height, width, 3), np.float32)
    middle = np.array([width, height]) / 2
    for t, (*shift, angle, zoom) in enumerate(scene.camera):
        turn = np.exp(zoom) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        back = scale * np.linalg.inv(turn)
        offset = np.array([columns, rows]) / 2 - back @ (middle + shift)
        _warp(scene.canvas[t % len(scene.canvas)] if video else scene.canvas, np.column_stack([back, offset]), picture)
        if scene.water:
            _ripple(picture, scene.water, t)
        for box in scene.boxes[: len(scene.boxes) - scene.in_front]:
            _paint_box(picture, box, t, turn, middle, np.array(shift))
        for (ends, radii, order, colours), nearer in zip(shots, parallax):
            seen = (ends[t] - middle) @ turn.T + middle + np.array(shift) * nearer
            draw(picture, seen[order[t]], radii[t][order[t]] * np.exp(zoom), colours[order[t]])
        for box in scene.boxes[len(scene.boxes) - scene.in_front :]:
            _paint_box(picture, box, t, turn, middle, np.array(shift))
        shown = picture * np.float32(exposure[t])
        if noise:
            down, right = random.integers(0, 64, 2)
            shown += grain[down : down + height, right : right + width]
        out[t] = np.clip(shown, 0, 255)
    return out


def _ripple(picture: np.ndarray, strength: float, t: int) -> None:
    """Waves that run over the lower part, smaller towards the horizon."""
    height, width = picture.shape[:2]
    below = np.arange(int(0.4 * height), height)[:, None]
    across, depth = np.arange(width)[None], (below - 0.4 * height) / height + 0.15
    waves = np.sin(0.16 * across / depth + 0.21 * t) * np.sin(0.9 * below / depth - 0.33 * t)
    waves += np.sin(0.05 * across / depth - 0.4 * t)
    picture[int(0.4 * height) :] += np.float32(strength) * waves[..., None].astype(np.float32)


def _paint_box(
    picture: np.ndarray, box: np.ndarray, t: int, turn: np.ndarray, middle: np.ndarray, shift: np.ndarray
) -> None:
    x, y = turn @ (box[:2] + box[4:6] * t - middle) + middle + shift
    rows = slice(max(0, int(y - box[3])), max(0, int(y + box[3])))
    picture[rows, max(0, int(x - box[2])) : max(0, int(x + box[2]))] = box[6:9]
