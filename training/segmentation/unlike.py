"""Pictures that are like no street: noise, plain and gradual colours, shapes, and rooms from videos.

A network that never saw anything but streets names classes everywhere and is sure of them; it is shown these with
`partial.UNLIKE` as their label, so that its confidence says where it does not know (outlier exposure, Hendrycks et al.,
2019).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halsie_ros.classes import DSEC_11
from halsie_ros.datasets.stills.pictures import Picture, Pictures, id_table
from training.segmentation.partial import UNLIKE

SIZE = (320, 448)
"""Height and width of what is drawn, pixels."""


class UnlikePictures(Pictures):
    """`count` pictures, every third one of a video where there are some.

    Args:
        count: how many.
        root: folder of videos, "" for none: then all are drawn.
    """

    def __init__(self, count: int, root: str = "") -> None:
        pictures = [Picture(f"unlike {k}", "unlike", Path(), None) for k in range(count)]
        super().__init__(pictures, DSEC_11, id_table({}))
        self._videos = sorted(Path(root).glob("*.mp4")) if root else []
        if root and not self._videos:
            raise FileNotFoundError(f"{root}: no .mp4 in it")

    def image(self, index: int) -> np.ndarray:
        """See `Pictures.image`; the same every time."""
        rng = np.random.default_rng([7, index])
        if self._videos and index % 3 == 0:
            return video_picture(self._videos[index // 3 % len(self._videos)], rng)
        return drawn(rng)

    def label(self, index: int) -> np.ndarray:
        """`UNLIKE` everywhere."""
        return np.full(self.image(index).shape[:2], UNLIKE, np.uint8)


def drawn(rng: np.random.Generator) -> np.ndarray:
    """``(H, W, 3) uint8``: noise of some coarseness, a plain colour, a gradual one, or shapes; a third of them grey."""
    height, width = SIZE
    colours = rng.integers(0, 256, (8, 3)).astype(np.float32)
    kind = int(rng.integers(4))
    if kind == 0:
        cell = int(2 ** rng.integers(0, 6))
        noise = rng.normal(128, rng.uniform(10, 90), (-(-height // cell), -(-width // cell), 3))
        picture = np.kron(noise, np.ones((cell, cell, 1)))[:height, :width]
    elif kind == 1:
        picture = np.broadcast_to(colours[0], (height, width, 3)) + rng.normal(0, rng.uniform(0, 6), (height, width, 1))
    else:
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        along = (x * np.cos(angle) + y * np.sin(angle)) / width
        part = np.clip(0.5 + along - along.mean(), 0, 1)[..., None]
        picture = colours[0] * (1 - part) + colours[1] * part
        for colour in colours[2:] if kind == 3 else ():
            middle, radius = rng.uniform(0, 1, 2) * SIZE, rng.uniform(10, 120, 2)
            away = np.abs(np.stack((y, x), 2) - middle) / radius
            inside = away.max(2) < 1 if rng.random() < 0.5 else (away**2).sum(2) < 1
            picture = np.where(inside[..., None], colour, picture)
    if rng.random() < 1 / 3:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    result: np.ndarray = np.clip(picture, 0, 255).astype(np.uint8)
    return result


def video_picture(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A random frame of a video's first 60, ``(H, W, 3) uint8``."""
    import av

    wanted = int(rng.integers(60))
    with av.open(str(path)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            picture = frame.to_ndarray(format="rgb24")
            if number == wanted:
                break
    return picture
