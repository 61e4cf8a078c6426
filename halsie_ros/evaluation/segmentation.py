"""Segmentation on a data set: every labelled frame is met at the end of a short sequence of its own.

Each sequence starts with a fresh state, so that frames are independent and the order does not matter.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from halsie_ros.datasets.registry import split_samples
from halsie_ros.datasets.samples import Sample
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.evaluation.result import CommonClasses, Tally, usable_inputs
from halsie_ros.segmentation.pipeline import SegmentationPipeline, State

INPUTS = ("both", "frames", "events", "hold")
FRAMES = 8
"""Frames of a sequence, the labelled one included, or fewer where fewer precede it; a blackout of N comes on top (our
choice)."""


def run_sample(
    pipeline: SegmentationPipeline, sample: Sample, inputs: str, degradation: Degradation, tally: Tally
) -> None:
    """Runs one sample and scores its last mask.

    Raises:
        ParameterError: there is no frame to run, as with "hold" and a blackout as long as the sample.
    """
    pictures = degradation.frames(sample)
    frames = [None] * len(pictures) if inputs == "events" else pictures
    state: State | None = None
    size = sample.labels.shape[1:]
    mask, confidence = None, None
    last_frame = max((k for k, frame in enumerate(frames) if frame is not None), default=-1)
    for k, frame in enumerate(frames):
        if inputs == "hold" and k > last_frame:
            break
        start_us, stop_us = sample.bounds_us(k)
        events = None if inputs == "frames" else sample.window(k)
        began = time.perf_counter()
        result = pipeline.step(frame, events, state, t0_us=start_us, t1_us=stop_us, size=size)
        tally.step(
            result,
            t_us=stop_us,
            ms=(time.perf_counter() - began) * 1e3,
            events=0 if events is None else len(events),
            frame=frame is not None,
            window_us=stop_us - start_us,
        )
        state, mask, confidence = result.state, result.mask, result.confidence
    if mask is None:
        raise ParameterError(f"{sample.name}: a sample without frames cannot be scored")
    tally.score(sample.name, int(sample.t_us[-1]), pictures[-1], mask, sample.labels[-1], confidence)


def evaluate(
    pipeline: SegmentationPipeline,
    dataset: str,
    root: Path,
    split: str,
    *,
    inputs: str = "both",
    degradation: Degradation | None = None,
    labels: Path | None = None,
    drives: tuple[str, ...] = (),
    frames: int = FRAMES,
    folded: bool = False,
    progress: bool = False,
) -> tuple[dict[str, Any], Tally]:
    """Evaluates a model on a split; gives the result for JSON and the tally with its pictures.

    Sequences have `frames` frames (1: single pictures, without any past), of `drives` only where some are named.
    `folded` compares in the classes that data sets share.

    Samples that a blackout covers whole are left out whatever the inputs, so that figures compare: they have no frame
    and no mask to hold. The result counts them as `left_out`.

    Raises:
        DatasetError: something of the data set is missing.
        ParameterError: an unknown data set or kind of inputs, classes that cannot be compared, or a blackout that
            covers every sample.
    """
    if inputs not in INPUTS:
        raise ParameterError(f"--inputs {inputs}: choose {', '.join(INPUTS)}")
    inputs = usable_inputs(pipeline.card, inputs)
    degradation = degradation or Degradation()
    frames += degradation.count
    classes, count, samples = split_samples(dataset, root, split, frames=frames, labels=labels, drives=drives)
    tally = Tally(pipeline.card, CommonClasses(pipeline.card, classes, folded=folded))
    left_out = off_sensor = 0
    for number, sample in enumerate(_warmed(pipeline, samples), 1):
        off_sensor += sample.off_sensor
        if len(sample) > degradation.count:
            run_sample(pipeline, sample, inputs, degradation, tally)
        else:
            left_out += 1
        if progress:
            print(f"\r{split}: {number}{f' of {count}' if count else ''} frames", end="", file=sys.stderr, flush=True)
    if progress:
        print(file=sys.stderr)
    if left_out and not tally.records:
        raise ParameterError(
            f"--degrade {degradation}: leaves none of the {left_out} samples of {split} a frame, nothing to score: "
            "give a shorter blackout, or none where samples are single frames"
        )
    about = {
        "dataset": dataset,
        "split": split,
        **({"drives": list(drives)} if drives else {}),
        "class_set": tally.common.classes.name,
        "inputs": inputs,
        "degrade": str(degradation),
        "restoration": pipeline.restoration and inputs in ("both", "hold"),
        "protocol": f"sequences of up to {frames} frames, fresh state each",
        "left_out": left_out,
        **({"events_off_sensor": off_sensor} if off_sensor else {}),
    }
    return tally.result(about), tally


def _warmed(pipeline: SegmentationPipeline, samples: Iterable[Sample]) -> Iterator[Sample]:
    """The samples; the graphs are opened for the first one's size beforehand, so that no timing holds that."""
    for number, sample in enumerate(samples):
        if number == 0:
            pipeline.warm_up((sample.labels.shape[1], sample.labels.shape[2]))
        yield sample
