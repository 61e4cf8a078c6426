"""The lifecycle node `action`: encoded video packets in, action labels out (docs/architecture.md, Two journeys)."""

from __future__ import annotations

import sys

from halsie_ros.action.pipeline import ActionPipeline
from halsie_ros.inference.session import PROVIDERS
from halsie_ros.nodes import qos
from halsie_ros.nodes.action_output import ActionOutput
from halsie_ros.nodes.action_stream import ActionStream
from halsie_ros.nodes.managed import ManagedNode
from halsie_ros.nodes.parameters import Parameter
from halsie_ros.nodes.runtime import spin_node

PARAMETERS = (
    Parameter("model", "actions_mhad", "Name of a model, or path of its card (.yaml).", read_only=True),
    Parameter("threads", 1, "Threads of the model's graphs.", low=1, high=64, read_only=True),
    Parameter("provider", "cpu", "Where graphs run, if onnxruntime can.", choices=tuple(PROVIDERS), read_only=True),
    Parameter("label_rate_hz", 5.0, "Labels per second of stream time.", low=0.1, high=100.0),
    Parameter("confidence", -1.0, "A best score below this is unknown; -1: as the card says.", low=-1.0, high=1.0),
    Parameter("min_segments", 1, "Segments (GOPs) to be seen before anything is said.", low=1, high=64),
    Parameter("top_k", 3, "How many classes a classification names.", low=1, high=1000),
    Parameter(
        "thorough",
        True,
        "Look for damage that the decoder does not report; false: the cost of plain decoding, about half.",
        read_only=True,
    ),
    Parameter("timeout_ms", 500.0, "Silence after which the stream counts as lost.", low=1.0, high=60000.0),
    Parameter("output_reliability", "reliable", "Of the output topics.", choices=qos.RELIABILITIES, read_only=True),
)


class ActionNode(ManagedNode):
    """Publishes what happens in a video stream, some times a second."""

    _pipeline: ActionPipeline
    _output: ActionOutput

    def __init__(self, *, hold: bool = False) -> None:
        super().__init__("action", PARAMETERS, hold=hold)

    def load(self) -> ActionOutput:
        """Loads the model and makes the output topics."""
        settings = self.settings
        self._pipeline = ActionPipeline(
            settings["model"],
            label_rate_hz=settings["label_rate_hz"],
            confidence=settings["confidence"],
            min_segments=settings["min_segments"],
            threads=settings["threads"],
            provider=settings["provider"],
        )
        self.name_licence(self._pipeline.card, "actions_mhad")
        self._pipeline.warm_up(everything=False)
        return ActionOutput(self, self._pipeline.classes, settings["output_reliability"])

    def unload(self) -> None:
        """Frees the model."""
        self.__dict__.pop("_pipeline", None)

    def start_stream(self) -> ActionStream:
        """Subscribes and starts the worker."""
        return ActionStream(self, self._pipeline, self._output, self.settings)


def main() -> int:
    """Entry point."""
    return spin_node(ActionNode)


if __name__ == "__main__":
    sys.exit(main())
