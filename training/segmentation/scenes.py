"""Training clips from procedural streets: one street per clip, by day, dusk and night in turn."""

from __future__ import annotations

import numpy as np

from halsie_ros.datasets.samples import Sample
from halsie_ros.events import Events
from halsie_ros.simulation.recording import record_scene
from halsie_ros.simulation.street.scene import training_seed
from training.core.command import TrainingError
from training.segmentation.clip_files import still

LIGHTS = ("day", "dusk", "night")
_FIRST = {"train": 0, "validation": 1_000_000}
"""Number of each split's first street; a demo's streets have seeds of their own (`demo_seed`)."""


class SceneClips:
    """`count` clips of streets that no demo shows; see `training.segmentation.sources.ClipSource`.

    Args:
        split: "train" or "validation": different streets.
        count: number of clips.
        frames: frames per clip.
    """

    def __init__(self, split: str, count: int, frames: int) -> None:
        if split not in _FIRST:
            raise TrainingError(f"scene split is {split!r}: give train or validation")
        if not 0 < count <= 1_000_000:
            raise TrainingError(f"scene count is {count}: give 1 to 1,000,000")
        self._first, self._count, self._frames = _FIRST[split], count, frames

    def __len__(self) -> int:
        return self._count

    def sample(self, index: int, seed: int | None) -> Sample:
        """Street ``index``; a seed changes its light and the frame rate (15 to 30 Hz), None has 20 Hz."""
        return self._record(index, seed, self._frames)

    def still(self, index: int, seed: int) -> Sample:
        """See `training.segmentation.sources.ClipSource.still`: the street's first picture."""
        clip = self._record(index, seed, 1)
        return still(clip.name, clip.frames[0], clip.labels[0])

    def _record(self, index: int, seed: int | None, frames: int) -> Sample:
        number = self._first + index
        rate_hz, turn = 20.0, 0
        if seed is not None:
            rng = np.random.default_rng([number, seed])
            rate_hz, turn = float(rng.uniform(15, 30)), int(rng.integers(3))
        light = LIGHTS[(index + turn) % 3]
        moments = list(
            record_scene(
                training_seed(number),
                (frames + 0.01) / rate_hz,
                light,
                frame_rate_hz=rate_hz,
                max_motion_px=1.5,
                max_rate_hz=100.0,
            )
        )
        before, shown = moments[0], moments[1:]
        return Sample(
            name=f"street {number} {light}",
            t_us=np.array([moment.t_us for moment in shown], np.int64),
            t0_us=before.t_us,
            frames=np.stack([moment.frame for moment in shown]),
            events=Events.concatenate(moment.events for moment in shown),
            labels=np.stack([moment.labels for moment in shown]),
            labelled=np.ones(len(shown), bool),
        )
