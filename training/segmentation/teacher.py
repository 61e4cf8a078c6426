"""Trains a larger network on frames alone, for others to learn from.

python -m training.segmentation.teacher training/configs/camvid_teacher.yaml --run runs/camvid_teacher --resume auto

Its checkpoint goes into a recipe of `training.segmentation.task` as ``teacher``.
"""

from __future__ import annotations

from pathlib import Path

from training.core.command import TrainingError
from training.networks.halsie import SegmentationNetwork
from training.networks.teacher import Teacher
from training.segmentation.config import SegmentationConfig
from training.segmentation.task import SegmentationTask, run_command


class TeacherTask(SegmentationTask):
    """A `training.core.loop.Task`: as its base, of a `Teacher`."""

    def __init__(self, config: SegmentationConfig) -> None:
        if tuple(config.augment.inputs) != ("frames",) or config.augment.steps != 1:
            raise TrainingError(
                "a teacher learns from single frames: set augment.inputs to [frames] and augment.steps to 1"
            )
        super().__init__(config)

    def _new_network(self) -> SegmentationNetwork:
        network = Teacher(self.config.network)
        if self.config.imagenet:
            network.load_imagenet(Path(self.config.imagenet))
        return network


def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    return run_command(TeacherTask, "Train a network to learn from.", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
