"""Labels pictures by a network that others trained, for pictures that have none or coarse ones.

    python -m training.pseudo_labels FOLDER --out OUT --network GRAPH.onnx [--size 384x512] [--scales 1 1.25]
        [--model CARD ...] [--confidence 0.5] [--share I/N]

For every .jpg and .png below FOLDER it writes OUT/<the same path>.png: ids of the 11 classes of DSEC, 255 where the
winning class has less than the wanted probability. What is averaged are the probabilities of all scales, of the picture
and of its mirror image, and of every exported model of those classes that is named besides.

GRAPH has Cityscapes' 19 classes in trainId order and a fixed input size, RGB with ImageNet's mean and spread. At which
size it is best differs from data set to data set: measure, do not guess.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

from halsie_ros.classes import CITYSCAPES_19, DSEC_11, remap
from halsie_ros.datasets.base import read_image
from training.core.command import TrainingError, command, setting_up

MEAN, SPREAD = (np.array(values, np.float32) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
"""ImageNet's."""
Network = Callable[[np.ndarray], np.ndarray]
"""A picture (H, W, 3) uint8 RGB to probabilities (11, H, W) float32 of DSEC's classes."""


def graph_network(path: Path, height: int, width: int) -> Network:
    """A Cityscapes graph on a picture of ``height`` x ``width`` and its mirror image; where that is larger than the
    graph's own input, in overlapping tiles, whose probabilities are averaged.

    Raises:
        TrainingError: it is smaller.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rows, columns = session.get_inputs()[0].shape[2:]
    if height < rows or width < columns:
        raise TrainingError(f"size {height}x{width}: the graph's own input is {rows}x{columns}; give at least that")
    ours = remap(np.arange(len(CITYSCAPES_19), dtype=np.uint8), CITYSCAPES_19, DSEC_11)

    def run(picture: np.ndarray) -> np.ndarray:
        pixels = resize((picture / np.float32(255) - MEAN) / SPREAD, height, width)
        total, seen = np.zeros((len(DSEC_11), height, width), np.float32), np.zeros((height, width), np.float32)
        for top, left in itertools.product(starts(height, rows), starts(width, columns)):
            tile = (slice(top, top + rows), slice(left, left + columns))
            seen[tile] += 2
            for side in (1, -1):
                image = np.ascontiguousarray(pixels[(slice(None), *tile)][None, :, :, ::side])
                logits = session.run(None, {"image": image})[0][0, : len(ours), :, ::side]
                found = torch.from_numpy(logits.copy()).softmax(0).numpy()
                for source, target in enumerate(ours):
                    total[(target, *tile)] += found[source]
        return resize((total / seen).transpose(1, 2, 0), *picture.shape[:2])

    return run


def starts(size: int, tile: int) -> list[int]:
    """Where tiles of `tile` pixels begin that cover `size`, as few as do it, evenly spread."""
    count = -(-size // tile)
    return [round(k * (size - tile) / max(count - 1, 1)) for k in range(count)]


def model_network(card: str) -> Network:
    """An exported model of DSEC's classes, on a picture and its mirror image, without events.

    Raises:
        TrainingError: its classes are others.
    """
    from training.networks.teacher import StreamTeacher
    from training.segmentation.from_model import network_of

    network = network_of(card)
    if network.config.classes != len(DSEC_11):
        raise TrainingError(f"{card}: has {network.config.classes} classes, not DSEC's {len(DSEC_11)}")
    teacher = StreamTeacher(network).eval()

    @torch.no_grad()
    def run(picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        image = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)[None]
        image = F.pad(image, (0, -width % 32, 0, -height % 32), "replicate")
        scores = (teacher.frame(image).softmax(1) + teacher.frame(image.flip(3)).flip(3).softmax(1)) / 2
        return F.interpolate(scores, scale_factor=4.0, mode="bilinear")[0, :, :height, :width].numpy()

    return run


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """``(H, W, C)`` to ``(C, height, width)`` float32, bilinear, without aliasing."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]
    return F.interpolate(tensor, (height, width), mode="bilinear", antialias=True)[0].numpy()


def label(picture: np.ndarray, networks: Sequence[Network], confidence: float) -> np.ndarray:
    """``(H, W) uint8`` ids of DSEC's classes, 255 where the mean of the networks is less sure than `confidence`."""
    probabilities = np.mean([network(picture) for network in networks], axis=0)
    winners = probabilities.argmax(0).astype(np.uint8)
    return np.where(probabilities.max(0) >= confidence, winners, DSEC_11.ignore).astype(np.uint8)


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Label every picture of a folder by networks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", type=Path, help="graph of Cityscapes' 19 classes")
    parser.add_argument("--size", default="384x512", metavar="HxW", help="of the graph's input (%(default)s)")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], help="times the size")
    parser.add_argument("--model", action="append", default=[], help="an exported model to ask as well")
    parser.add_argument("--confidence", type=float, default=0.5, help="least probability (%(default)s)")
    parser.add_argument("--share", default="0/1", metavar="I/N", help="every N-th picture from the I-th on")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with setting_up():
        networks = [model_network(card) for card in args.model]
        if args.network:
            height, width = (int(side) for side in args.size.split("x"))
            for scale in args.scales:
                sides = (round(side * scale / 32) * 32 for side in (height, width))
                networks.append(graph_network(args.network, *sides))
        first, count = (int(part) for part in args.share.split("/"))
    if not networks:
        raise TrainingError("no network: give --network GRAPH.onnx, --model CARD or both")
    pictures = sorted(path for end in ("jpg", "png") for path in args.folder.rglob(f"*.{end}"))
    if not pictures:
        raise TrainingError(f"{args.folder}: no .jpg or .png in it")
    for number, path in enumerate(pictures[first::count], 1):
        target = (args.out / path.relative_to(args.folder)).with_suffix(".png")
        if not target.exists():
            _write(target, label(read_image(path, "RGB"), networks, args.confidence))
        if number % 100 == 0:
            print(f"{number} of {len(pictures[first::count])}", flush=True)
    return 0


def _write(path: Path, mask: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    Image.fromarray(mask).save(temporary, "png")
    temporary.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
