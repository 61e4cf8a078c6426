"""Teaches a segmentation network's event branch and displacement to see motion, before clips are trained on.

python -m training.segmentation.teach_motion CONFIG --packed runs/camvid_clips --out runs/motion.pt

From class labels alone the displacement of the memory hardly learns: labels change at few cells, and a memory that is
moved wrongly is soon ignored. Here it is shown where things went: the optical flow between the frames of packed clips,
against what it reads from the events between them (our choice). The result starts the recipe: ``--set start=FILE``.
Where it is there already, nothing is done.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from halsie_ros.events.voxel import bin_counts
from halsie_ros.pictures.flow import optical_flow
from halsie_ros.pictures.srgb import to_luminance
from training.core.allocator import keep_memory
from training.core.checkpoints import write
from training.core.command import TrainingError, command, setting_up
from training.core.loop import LoopConfig, fast_bfloat16, learning_rate
from training.core.recipes import add_set_argument
from training.networks.halsie import HalsieStream
from training.segmentation.clip_files import PackedClips
from training.segmentation.config import SegmentationConfig
from training.segmentation.export import BIN_US
from training.segmentation.sources import ClipSource
from training.segmentation.task import SegmentationTask

STRIDE = 8
"""Of the memory and its displacements."""
_LARGEST_ERROR_PX = 12.0
"""A cell's error counts up to this: the optical flow has outliers of its own."""
_BATCH = 6


def examples(clips: ClipSource, indices: Iterable[int], bins: int, limit: int) -> tuple[np.ndarray, Tensor, Tensor]:
    """Pairs of frames, at most one step apart, and the events between them.

    Stamps of a camera of 20 Hz tremble about a step's 50 ms: a tenth more is cut to a step, and the flow with it.

    Returns:
        Counts per polarity and bin ``(N, 2*bins, H, W) uint8`` (H and W multiples of 32), optical flow
        ``(N, 2, h, w)`` in pixels per step at stride 8 of the picture, and steps' lengths in microseconds ``(N,)``.
    """
    counts, flows, lengths = [], [], []
    for index in indices:
        sample = clips.sample(index, None)
        pictures = [to_luminance(frame)[::2, ::2] for frame in sample.frames]
        height, width = sample.frames.shape[1:3]
        for k in range(2, len(sample), 2):
            start, end = int(sample.t_us[k - 1]), int(sample.t_us[k])
            if end - start > 1.1 * bins * BIN_US:
                continue
            stop = min(end, start + bins * BIN_US)
            grid = np.zeros((2 * bins, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
            bin_counts(
                sample.events.between(start, stop),
                t0_us=start, bin_us=BIN_US, bins=bins, height=grid.shape[1], width=grid.shape[2], out=grid,
            )  # fmt: skip
            flow = 2 * optical_flow(pictures[k - 1], pictures[k]) * ((stop - start) / (end - start))
            h, w = flow.shape[0] // 4, flow.shape[1] // 4
            cells = flow[: 4 * h, : 4 * w].reshape(h, 4, w, 4, 2).mean((1, 3))
            counts.append(np.minimum(grid, 255).astype(np.uint8))
            flows.append(cells.transpose(2, 0, 1))
            lengths.append(float(stop - start))
            if len(counts) == limit:
                break
        if len(counts) == limit:
            break
    if not counts:
        raise TrainingError(
            "no two frames of the clips are at most a step apart: pack clips of 20 frames a second or more"
        )
    return np.stack(counts), torch.from_numpy(np.stack(flows)).float(), torch.tensor(lengths)


def error_px(network: HalsieStream, counts: np.ndarray, flow: Tensor, dt_us: Tensor) -> Tensor:
    """Distance in pixels between the network's displacement and ``flow`` in each cell, ``(N, h, w)``, where the network
    is."""
    device = next(network.parameters()).device
    events = torch.from_numpy(counts).to(device).float()
    moves = network.displacement(network.event_branch(events, [None] * 3, dt_us.to(device), 1)[0])
    # The memory's cell says where it came from, the flow where things went: the signs are opposite.
    result: Tensor = (-STRIDE * moves.float()[..., : flow.shape[2], : flow.shape[3]] - flow.to(device)).norm(dim=1)
    return result


def teach(
    network: HalsieStream, data: tuple[np.ndarray, Tensor, Tensor], held: tuple[np.ndarray, Tensor, Tensor], steps: int
) -> tuple[float, float]:
    """Trains event branch and displacement in place, where the network is.

    Returns:
        The mean error on ``held``, and that of no motion, in pixels.
    """
    device = next(network.parameters()).device
    mixed = fast_bfloat16(device)
    config = LoopConfig(steps=steps, batch=_BATCH, learning_rate=2e-3, warmup_steps=steps // 20)
    parameters = [*network.event_branch.parameters(), *network.flow.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate)
    rng = np.random.default_rng(config.seed)
    network.train()
    for step in range(steps):
        chosen = rng.integers(0, len(data[0]), _BATCH)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        with torch.autocast(device.type, torch.bfloat16) if mixed else nullcontext():
            error = error_px(network, data[0][chosen], data[1][chosen], data[2][chosen])
        loss = error.clamp(max=_LARGEST_ERROR_PX).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        optimizer.step()
        if step % 100 == 99 or step == steps - 1:
            print(f"step {step + 1}/{steps} error {float(loss.detach()):.2f} px", flush=True)
    network.eval()
    with torch.no_grad():
        counts, flow, dt_us = held
        parts = [
            error_px(network, counts[k : k + 1], flow[k : k + 1], dt_us[k : k + 1]).mean() for k in range(len(counts))
        ]
    return float(torch.stack(parts).mean()), float(held[1].norm(dim=1).mean())


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Teach a network to see motion in events.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--packed", type=Path, required=True, help="folder of packed training clips")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--examples", type=int, default=700, help="pairs of frames; each takes some 2 MB of memory")
    add_set_argument(parser)
    args = parser.parse_args(arguments)
    if min(args.steps, args.examples) < 1:
        parser.error(f"--steps is {args.steps}, --examples {args.examples}: give at least 1")
    if args.out.exists():
        print(f"{args.out} is there already and is kept; delete it to teach anew")
        return 0
    keep_memory()
    torch.set_num_threads(1)
    with setting_up():
        config = SegmentationConfig.load(args.config, [f"train.packed={args.packed}", "class_weights=0.0", *args.set])
        network = SegmentationTask(config).network
        if not isinstance(network, HalsieStream):
            raise TrainingError(
                f"{args.config}: motion is learned by a stream with running norms: "
                "give frozen_norms and network.unrolled false"
            )
        clips, bins = PackedClips(args.packed), config.network.bins
        # Clips that follow each other overlap in recordings: what is held out lies together, at the end.
        rng, first_held = np.random.default_rng(config.loop.seed), len(clips) - max(1, len(clips) // 10)
        last = first_held + rng.permutation(len(clips) - first_held)
        held = examples(clips, last, bins, max(1, args.examples // 10))
        data = examples(clips, rng.permutation(first_held), bins, args.examples)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    error, still = teach(network, data, held, args.steps)
    print(f"held-out clips: {error:.2f} px off, {still:.2f} px without any motion")
    state = network.cpu().state_dict()
    write(args.out, {"step": 0, "average": state, "network": state, "config": asdict(config)})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
