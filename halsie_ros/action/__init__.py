"""Action labels from encoded video: the pipeline, and clips as it reads them."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.action.clip import read_clip
    from halsie_ros.action.pipeline import ActionPipeline
    from halsie_ros.action.state import ActionScores, ActionState

__all__ = ["ActionPipeline", "ActionScores", "ActionState", "read_clip"]
__getattr__ = lazily(
    __name__, {"clip": ("read_clip",), "pipeline": ("ActionPipeline",), "state": ("ActionScores", "ActionState")}
)
