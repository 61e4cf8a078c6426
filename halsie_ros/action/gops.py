"""Cuts a stream's features into segments: an I-frame and the steps of the P-frames that follow it.

A segment is a GOP; a GOP longer than `SEGMENT_US` goes on as further segments that share its I-frame. Both the live
pipeline and the reading of clips come through here, so that the network meets the same inputs in training and at run
time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halsie_ros.action.inputs import FORM, FRAMES_PER_STEP, SEGMENT_US, Step, merge
from halsie_ros.video.features import FeatureExtractor, FrameFeatures
from halsie_ros.video.frame import VideoFrame

SAME_SCENE = 0.25
"""Correlation of two pictures of one scene, at least (our choice)."""


@dataclass
class Advance:
    """What one frame brought.

    Attributes:
        starts: a new segment starts with this frame (before `step` counts).
        image: the I-frame's picture ``(3, 96, 128) uint8``, where the segment has a new one.
        step: a step for the P encoder, where one is full.
    """

    starts: bool = False
    image: np.ndarray | None = None
    step: Step | None = None


@dataclass
class Segmenter:
    """Follows one stream of `VideoFrame`s; mutable: whoever must keep a place in the stream keeps a :meth:`copy`."""

    extractor: FeatureExtractor = field(default_factory=lambda: FeatureExtractor(FORM))
    _waiting: list[FrameFeatures] = field(default_factory=list)
    _since_ns: int = 0
    _segment_ns: int | None = None

    @property
    def running(self) -> bool:
        """Whether a segment has begun and not been broken off."""
        return self._segment_ns is not None

    def copy(self) -> Segmenter:
        """Another one at the same place of the stream; pushing to either leaves the other as it is."""
        return Segmenter(self.extractor.copy(), list(self._waiting), self._since_ns, self._segment_ns)

    def reset(self) -> None:
        """Breaks the running segment off; the next one starts at an I-frame."""
        self.extractor.reset()
        self._waiting.clear()
        self._segment_ns = None

    def push(self, frame: VideoFrame) -> Advance | None:
        """Takes the next frame in output order.

        None where nothing can be made of it (untrusted, B, before an I-frame).
        """
        features = self.extractor.push(frame)
        if features is None:
            if not frame.trusted:
                self.reset()
            return None
        if features.type == "I":
            self._waiting.clear()
            self._since_ns = self._segment_ns = features.stamp_ns
            return Advance(starts=True, image=features.image)
        if self._segment_ns is None:
            return None
        advance = Advance()
        if not self._waiting and not 0 <= self._since_ns - self._segment_ns < SEGMENT_US * 1000:
            self._segment_ns = self._since_ns
            advance.starts = True
        self._waiting.append(features)
        if len(self._waiting) == FRAMES_PER_STEP:
            advance.step = self.flush()
        return advance

    def flush(self) -> Step | None:
        """The step of the frames that wait for more to come (a clip's or a GOP's last ones); None where none wait."""
        if not self._waiting:
            return None
        step = merge(self._waiting, self._since_ns)
        self._since_ns = self._waiting[-1].stamp_ns
        self._waiting.clear()
        return step


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two I-frames ``(3, 96, 128) uint8`` show different scenes: their blocks' brightness hardly agrees.

    A camera that moves keeps much of its picture from one I-frame to the next, and people are a small part of it.
    """
    one, other = (image.mean(0).reshape(12, 8, 16, 8).mean((1, 3)).ravel() for image in (before, after))
    one, other = one - one.mean(), other - other.mean()
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return lengths > 0 and float(one @ other) < SAME_SCENE * lengths
