"""What the segmentation node publishes: mask, confidence, label names, pictures for people."""

from __future__ import annotations

import time

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import String

from halsie_ros.inference.cards import ModelCard
from halsie_ros.nodes import qos
from halsie_ros.nodes.labels import label_info
from halsie_ros.pictures.image_message import fill_image
from halsie_ros.segmentation.overlay import colorize, overlay
from halsie_ros.segmentation.senses import STARTING, SenseStatus
from halsie_ros.wire.stamps import ns_to_stamp

_REASON_S = 1.0


class SegmentationOutput:
    """The output topics; all pictures carry the stamp and frame_id of what they were made from.

    Args:
        node: the publisher.
        card: names the classes and their colours.
        reliability: "reliable" or "best_effort".
    """

    def __init__(self, node: LifecycleNode, card: ModelCard, reliability: str) -> None:
        self._node = node
        self._palette = card.palette
        self._label_info = label_info(card.classes)
        latched, stream = qos.latched_qos(), qos.output_qos(reliability)
        self._labels = node.create_lifecycle_publisher(type(self._label_info), "segmentation/label_info", latched)
        self._status = node.create_lifecycle_publisher(String, "segmentation/status", latched)
        self._told = SenseStatus("", "")
        self._told_s = 0.0
        names = ["mask", "confidence"] + (["color", "overlay"] if self._palette is not None else [])
        self._images = {name: node.create_lifecycle_publisher(Image, f"segmentation/{name}", stream) for name in names}

    def stop(self) -> None:
        """Takes the topics away."""
        for publisher in (self._labels, self._status, *self._images.values()):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish_labels(self) -> None:
        """Publishes the label names, once, and that masks are to come; late subscribers get them too."""
        self._told = SenseStatus("", "")
        self.publish_status(STARTING)
        self._label_info.header.stamp = self._node.get_clock().now().to_msg()
        self._labels.publish(self._label_info)

    def publish_status(self, status: SenseStatus) -> None:
        """Publishes how the senses fare, where the word has changed, or, now and then, its reason."""
        now_s = time.monotonic()
        if status == self._told or (status.word == self._told.word and now_s - self._told_s < _REASON_S):
            return
        self._told, self._told_s = status, now_s
        self._status.publish(String(data=str(status)))

    def publish(
        self,
        mask: np.ndarray,
        confidence: np.ndarray,
        image: np.ndarray | None,
        *,
        stamp_ns: int,
        frame_id: str,
        alpha: float,
    ) -> None:
        """Publishes the mask, then what else somebody listens to.

        Args:
            mask: ``(H, W) uint8`` ids.
            confidence: ``(H, W) uint8``.
            image: what the overlay is drawn on, ``(H, W[, 3]) uint8``; None: black.
            stamp_ns: of all pictures.
            frame_id: of all pictures.
            alpha: opacity of the overlay.
        """
        self._send("mask", mask, stamp_ns, frame_id)
        if self._wanted("confidence"):
            self._send("confidence", confidence, stamp_ns, frame_id)
        if self._palette is None:
            return
        if self._wanted("color"):
            self._send("color", colorize(mask, self._palette), stamp_ns, frame_id)
        if self._wanted("overlay"):
            ground = np.zeros((*mask.shape, 3), np.uint8) if image is None else image
            self._send("overlay", overlay(ground, mask, self._palette, alpha), stamp_ns, frame_id)

    def _wanted(self, name: str) -> bool:
        return bool(self._images[name].get_subscription_count() > 0)

    def _send(self, name: str, pixels: np.ndarray, stamp_ns: int, frame_id: str) -> None:
        message = Image()
        message.header.stamp.sec, message.header.stamp.nanosec = ns_to_stamp(stamp_ns)
        message.header.frame_id = frame_id
        self._images[name].publish(fill_image(message, pixels))
