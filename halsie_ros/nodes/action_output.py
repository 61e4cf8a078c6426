"""What the action node publishes: the classification, the same for people, and the names of the classes."""

from __future__ import annotations

import numpy as np
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from halsie_ros.action.pipeline import UNKNOWN
from halsie_ros.action.state import ActionScores
from halsie_ros.nodes import qos
from halsie_ros.nodes.labels import label_info, vision_message
from halsie_ros.wire.stamps import ns_to_stamp


class ActionOutput:
    """The output topics.

    Args:
        node: the publisher.
        classes: names in id order.
        reliability: "reliable" or "best_effort".

    Raises:
        HalsieError: vision_msgs is not installed.
    """

    def __init__(self, node: LifecycleNode, classes: tuple[str, ...], reliability: str) -> None:
        self._node = node
        self._classes = classes
        self._label_info = label_info(classes, UNKNOWN)
        self._classification = vision_message("Classification")
        self._hypothesis = vision_message("ObjectHypothesis")
        stream = qos.output_qos(reliability)
        self._labels = node.create_lifecycle_publisher(type(self._label_info), "action/label_info", qos.latched_qos())
        self._scores = node.create_lifecycle_publisher(self._classification, "action/classification", stream)
        self._words = node.create_lifecycle_publisher(String, "action/label", stream)

    def stop(self) -> None:
        """Takes the topics away."""
        for publisher in (self._labels, self._scores, self._words):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish_labels(self) -> None:
        """Publishes the class names, once; late subscribers get them too."""
        self._label_info.header.stamp = self._node.get_clock().now().to_msg()
        self._labels.publish(self._label_info)

    def publish(self, scores: ActionScores, *, frame_id: str, top_k: int) -> None:
        """Publishes what is happening.

        An unknown action is one hypothesis, "unknown", whose score is what the best class lacks to certainty (our
        choice); otherwise the best `top_k` classes come in the order of their scores.
        """
        message = self._classification()
        message.header.stamp.sec, message.header.stamp.nanosec = ns_to_stamp(scores.stamp_ns)
        message.header.frame_id = frame_id
        best = [(self._classes[i], float(scores.scores[i])) for i in np.argsort(-scores.scores, kind="stable")[:top_k]]
        known = scores.label != UNKNOWN
        results = best if known else [(UNKNOWN, 1.0 - best[0][1])]
        message.results = [self._hypothesis(class_id=name, score=score) for name, score in results]
        self._scores.publish(message)
        if self._words.get_subscription_count():
            text = f"{scores.label} {best[0][1]:.2f}" if known else f"{UNKNOWN} ({scores.reason})"
            self._words.publish(String(data=text))
