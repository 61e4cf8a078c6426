"""Figures of models: on data sets, on bags offline, of a running graph; metrics, energy, reports."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.evaluation.bag import evaluate_bag
    from halsie_ros.evaluation.degradations import Degradation
    from halsie_ros.evaluation.metrics import Scores, confusion, scores
    from halsie_ros.evaluation.offline import BagStream, StreamSettings
    from halsie_ros.evaluation.result import CommonClasses, Tally

__all__ = [
    "BagStream",
    "CommonClasses",
    "Degradation",
    "Scores",
    "StreamSettings",
    "Tally",
    "confusion",
    "evaluate_bag",
    "scores",
]
__getattr__ = lazily(
    __name__,
    {
        "bag": ("evaluate_bag",),
        "degradations": ("Degradation",),
        "metrics": ("Scores", "confusion", "scores"),
        "offline": ("BagStream", "StreamSettings"),
        "result": ("CommonClasses", "Tally"),
    },
)
