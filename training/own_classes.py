"""Your own classes: from a folder of labelled pictures to a model that the node loads.

    python -m training.own_classes FOLDER --name my_model [--start halsie_scene] [--steps 1500]

FOLDER has ``images/``, ``labels/`` and ``classes.txt``, see `halsie_ros.datasets.stills.own`. Recordings are kept
whole: a fifth of them (at least one) is left out of training, and the model's figure is measured there. The network
starts from `--start`, of whose classes it keeps what has the same name; its event branch stays as it is, so that the
model is one of frames alone. Given again, a training that was stopped goes on.

What comes out: ``MODELS/NAME.yaml`` and its graphs, the figures per class, and a line that says how far to trust them.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, replace
from pathlib import Path

from halsie_ros.datasets.stills import own
from halsie_ros.evaluation.result import summary
from halsie_ros.evaluation.segmentation import evaluate
from halsie_ros.files import write_json
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.segmentation.pipeline import SegmentationPipeline
from training.core.command import TrainingError, command, setting_up
from training.core.loop import LoopConfig, train
from training.networks.halsie import HalsieStream
from training.segmentation.augment import AugmentConfig
from training.segmentation.config import SegmentationConfig
from training.segmentation.export import export, load
from training.segmentation.from_model import network_of
from training.segmentation.sources import SourceConfig
from training.segmentation.task import SegmentationTask

CROP_MULTIPLE = 32
LARGEST_CROP = (288, 384)
FEW_PICTURES, FEW_RECORDINGS = 100, 3
"""Fewer than these, and the figure on what was left out says little (our choice)."""


def held_out(pictures: own.OwnPictures) -> tuple[str, ...]:
    """The recordings left out of training: every fifth, from the last one back; none where there is only one."""
    drives = pictures.drives
    return tuple(drives[-1::-5]) if len(drives) > 1 else ()


def recipe(folder: Path, pictures: own.OwnPictures, start: str, steps: int, batch: int) -> SegmentationConfig:
    """The recipe for a folder: pictures alone, at random sizes, places, colours and exposures.

    Raises:
        TrainingError: a picture is too small to be cropped.
    """
    height, width = pictures.image(0).shape[:2]
    crop = [min(most, side // CROP_MULTIPLE * CROP_MULTIPLE) for most, side in zip(LARGEST_CROP, (height, width))]
    if min(crop) == 0:
        raise TrainingError(f"{pictures.pictures[0].image}: {width}x{height} pixels; give pictures of at least 32x32")
    out = held_out(pictures)
    card = ModelCard.load(find_model(start))
    network = network_of(start).config
    source = SourceConfig("own", str(folder), frames=1, stills=True)
    return SegmentationConfig(
        class_set=pictures.classes.name,
        network=type(network)(**{**asdict(network), "classes": len(pictures.classes)}),
        train=replace(source, leave_out=out),
        validation=replace(source, only=out),
        validation_stride=max(1, math.ceil(len(pictures) / 5 / 40)),
        start=str(card.path),
        class_weights=0.3,
        soft_iou_weight=1.0,
        loss_output_stride=2,
        frozen=("event_branch", "flow"),
        augment=AugmentConfig(
            crop=(crop[0], crop[1]), scale=(0.7, 1.5), steps=1, window_split=0.0, inputs=("frames",), only_frames=0.0,
            only_events=0.0, blackout=0.0, drop=0.0, damage=0.15, jitter=0.3, appearance=0.5,
        ),
        loop=LoopConfig(
            steps=steps, batch=batch, learning_rate=1e-3, weight_decay=0.02, warmup_steps=min(100, steps // 4),
            ema_decay=0.99, validate_every=max(1, min(250, steps // 2)), save_every=max(1, min(100, steps // 2)),
            mixed_precision=True,
        ),
        card={
            "inputs": ["frames"],
            "data": f"{len(pictures)} pictures of your own; first weights of {card.name}: {card.data}",
            "licence": f"yours, and that of {card.name}: {card.licence}",
            "commercial_use": card.commercial_use,
            "recipe": f"python -m training.own_classes FOLDER --start {card.name} --steps {steps} --batch {batch}",
        },
    )  # fmt: skip


def trust(pictures: own.OwnPictures, out: tuple[str, ...]) -> str:
    """How far the figure can be trusted, in a line."""
    if not out:
        return (
            "one recording only: the figure is of pictures that were trained on and says nothing of new places; "
            "label a second recording"
        )
    if len(pictures) < FEW_PICTURES or len(pictures.drives) < FEW_RECORDINGS:
        return (
            f"{len(pictures)} pictures of {len(pictures.drives)} recordings are few: a recording more in the training "
            "may change the figure a lot"
        )
    return f"measured on {len(out)} of {len(pictures.drives)} recordings, which training never saw"


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m training.own_classes", description="Train on your own classes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--start", default="halsie_scene", help="model to start from (%(default)s, free of licences)")
    parser.add_argument("--steps", type=int, default=1500, help="of training (%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="pictures per step (%(default)s)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the model (%(default)s)")
    parser.add_argument("--run", type=Path, help="folder of checkpoints (runs/NAME)")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON to FILE (- = standard output)")
    args = parser.parse_args(arguments)
    with setting_up():
        pictures = own.load(args.folder)
        out = held_out(pictures)
        print(f"{len(pictures)} pictures, {len(pictures.drives)} recordings, left out: {', '.join(out) or 'none'}")
        config = recipe(args.folder, pictures, args.start, args.steps, args.batch)
        for index in range(len(pictures)):  # a wrong label is found before hours of training, not after them
            pictures.label(index)
        task = SegmentationTask(config)
    run = args.run or Path("runs") / args.name
    train(task, config.loop, run, resume="auto", about=asdict(config))
    network, about = load(run / "best.pt")
    if not isinstance(network, HalsieStream):
        raise TrainingError(f"{run}: holds another kind of network; give another --run")
    path = export(network, args.name, args.models, about, {})
    result, _ = evaluate(SegmentationPipeline(path), "own", args.folder, "all", inputs="frames", drives=out, frames=1)
    measured = {"own_left_out": round(result["miou"], 4), "left_out": list(out), "frames": result["frames"]}
    path = export(network, args.name, args.models, about, measured)
    print("\n".join(summary(result)))
    print(f"{path}: {trust(pictures, out)}")
    write_json(args.json, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
