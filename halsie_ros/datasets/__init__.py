"""Data sets: one reader each, one table of them, training items cut from any of them."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.datasets.base import Calibration, Sequence
    from halsie_ros.datasets.registry import DataSet, split_samples
    from halsie_ros.datasets.samples import Sample, SampleProtocol

__all__ = ["Calibration", "DataSet", "Sample", "SampleProtocol", "Sequence", "split_samples"]
__getattr__ = lazily(
    __name__,
    {
        "base": ("Calibration", "Sequence"),
        "registry": ("DataSet", "split_samples"),
        "samples": ("Sample", "SampleProtocol"),
    },
)
