"""Trains a larger network on frames alone, for others to learn from.

python -m training.teacher training/configs/camvid_teacher.yaml --run runs/camvid_teacher --resume auto

Its checkpoint goes into a recipe of `training.segmentation` as ``teacher``.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import torch

from training.loop import train
from training.networks.teacher import Teacher
from training.segmentation import SegmentationTask
from training.segmentation_config import SegmentationConfig


class TeacherTask(SegmentationTask):
    """A `training.loop.Task`: as its base, of a `Teacher`."""

    def __init__(self, config: SegmentationConfig) -> None:
        if tuple(config.augment.inputs) != ("frames",) or config.augment.steps != 1:
            raise ValueError(
                "a teacher learns from single frames: set augment.inputs to [frames] and augment.steps to 1"
            )
        super().__init__(replace(config, imagenet="", start=""))
        torch.manual_seed(config.loop.seed)
        network = Teacher(config.network).to(memory_format=torch.channels_last)
        if config.imagenet:
            network.load_imagenet(Path(config.imagenet))
        if config.start:
            network.load_state_dict(torch.load(config.start, map_location="cpu", weights_only=True)["average"])
        self.network = network


def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Train a network to learn from.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and curves")
    parser.add_argument("--resume", help="auto, or a checkpoint")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="PART.NAME=VALUE", help="changes of the recipe"
    )
    args = parser.parse_args(arguments)
    config = SegmentationConfig.load(args.config, args.set)
    train(TeacherTask(config), config.loop, args.run, resume=args.resume, about=asdict(config))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
