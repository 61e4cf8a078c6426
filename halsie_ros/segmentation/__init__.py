"""Segmentation from frames and events: the pipeline on arrays, and on one stream of messages."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.segmentation.overlay import colorize, draw_events
    from halsie_ros.segmentation.pipeline import SegmentationPipeline, State, StepResult
    from halsie_ros.segmentation.stream import MaskStream
    from halsie_ros.segmentation.synchronizer import Step, Synchronizer, Timing

__all__ = [
    "MaskStream",
    "SegmentationPipeline",
    "State",
    "Step",
    "StepResult",
    "Synchronizer",
    "Timing",
    "colorize",
    "draw_events",
]
__getattr__ = lazily(
    __name__,
    {
        "overlay": ("colorize", "draw_events"),
        "pipeline": ("SegmentationPipeline", "State", "StepResult"),
        "stream": ("MaskStream",),
        "synchronizer": ("Step", "Synchronizer", "Timing"),
    },
)
