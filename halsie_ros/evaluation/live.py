"""Segmentation as it arrives from a running graph: what was lost, how late masks came, and how good they are.

No ROS here: the node `evaluate` hands over arrays, stamps and steady times as they come, `halsie demo` those that were
recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from halsie_ros.classes import ClassSet
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.pairing import Pairing
from halsie_ros.evaluation.result import CommonClasses, Tally
from halsie_ros.inference.cards import ModelCard
from halsie_ros.segmentation.pipeline import State, StepResult

_PICTURES = 16
"""Pictures kept for the report until their label comes."""
_LOSSES = ("dropped_", "lost_", "bad_", "events_late", "late_frame", "merged_step", "gap", "time_")


class LiveScore:
    """Takes what the topics bring, in any order.

    Args:
        card: of the model that runs.
        classes: of the labels.
    """

    def __init__(self, card: ModelCard, classes: ClassSet) -> None:
        self._card = card
        self._tally = Tally(card, CommonClasses(card, classes))
        self._pairing = Pairing()
        self._pictures: OrderedDict[int, np.ndarray] = OrderedDict()
        self._seen_ns: dict[int, int] = {}
        self._answered_ns: dict[int, int] = {}
        self._newest_ns: int | None = None
        self._spikes: dict[str, float] = {}
        self._event_rate = 0.0
        self._losses: dict[str, int] = {}

    @property
    def tally(self) -> Tally:
        """The scored frames, with the worst as pictures."""
        return self._tally

    @property
    def answered(self) -> list[int]:
        """Stamps of the pictures that got a mask, ns, in their order of arrival."""
        return [stamp for stamp in self._seen_ns if stamp in self._answered_ns]

    @property
    def losses(self) -> dict[str, int]:
        """What the node says it lost or bent: "part: name" of its diagnostics to the count, where there is any."""
        return {name: count for name, count in sorted(self._losses.items()) if count}

    def latency_ms(self, sent_ns: dict[int, int] | None = None) -> dict[int, float]:
        """Time from the sending of each answered picture to the arrival of its mask, by stamp.

        Args:
            sent_ns: steady time at which each picture was sent, by stamp, where the sender kept it; else latency
                counts from the picture's arrival here, which a busy machine makes too short; a picture that was
                taken up only after its mask has none.
        """
        began = {**self._seen_ns, **(sent_ns or {})}
        late_ns = {stamp: self._answered_ns[stamp] - began[stamp] for stamp in self.answered}
        return {stamp: ns * 1e-6 for stamp, ns in late_ns.items() if ns > 0}

    def image(self, stamp_ns: int, now_ns: int, pixels: np.ndarray) -> None:
        """A camera picture arrived at the steady time `now_ns`."""
        self._seen_ns.setdefault(stamp_ns, now_ns)
        self._pictures[stamp_ns] = pixels
        while len(self._pictures) > _PICTURES:
            self._pictures.popitem(last=False)

    def mask(self, stamp_ns: int, now_ns: int, mask: np.ndarray) -> None:
        """A mask arrived at the steady time `now_ns`."""
        if stamp_ns not in self._answered_ns:
            self._answered_ns[stamp_ns] = now_ns
            if stamp_ns in self._seen_ns:
                self._cost(stamp_ns, (now_ns - self._seen_ns[stamp_ns]) * 1e-6, mask)
        self._score(stamp_ns, self._pairing.add_mask(stamp_ns, mask))

    def _cost(self, stamp_ns: int, latency_ms: float, mask: np.ndarray) -> None:
        """What the window cost, by the newest spike and event rates that the node told."""
        longest_us = self._card.bins * self._card.bin_us
        window_us = longest_us if self._newest_ns is None else (stamp_ns - self._newest_ns) // 1000
        self._newest_ns = stamp_ns
        if not self._spikes or window_us <= 0:
            return
        steps = -(-window_us // longest_us)
        told = StepResult(mask, mask, State(mask.shape, {}), self._spikes, steps)
        events = round(self._event_rate * window_us * 1e-6)
        self._tally.step(told, t_us=stamp_ns // 1000, ms=latency_ms, events=events, frame=True, window_us=window_us)

    def label(self, stamp_ns: int, label: np.ndarray) -> None:
        """A ground-truth mask arrived."""
        self._score(stamp_ns, self._pairing.add_label(stamp_ns, label))

    def lost(self, cause: str) -> None:
        """A message that could not be used."""
        self._losses[cause] = self._losses.get(cause, 0) + 1

    def _score(self, stamp_ns: int, pair: tuple[np.ndarray, np.ndarray] | None) -> None:
        if pair is None:
            return
        if pair[0].shape != pair[1].shape:
            self.lost("labels of another size than their masks")
        else:
            self._tally.score(f"{stamp_ns}", stamp_ns // 1000, self._pictures.get(stamp_ns), *pair)

    def status(self, part: str, values: dict[str, str]) -> None:
        """A diagnostic status of the segmentation node: its spike rates, event rate and losses.

        Args:
            part: "image", "events" or "segmentation".
            values: as text, as diagnostics have them.
        """
        layers = {key[len("spikes_") :]: float(text) for key, text in values.items() if key.startswith("spikes_")}
        if layers and part == "segmentation":  # the action node's network has layers of its own
            self._spikes = layers
        if "events_per_s" in values:
            self._event_rate = float(values["events_per_s"])
        for key, text in values.items():
            if key.startswith(_LOSSES) and text.isdigit():
                self._losses[f"{part}: {key}"] = int(text)

    def result(self, about: dict[str, Any], sent_ns: dict[int, int] | None = None) -> dict[str, Any]:
        """The figures, JSON-ready.

        Args:
            about: what was evaluated.
            sent_ns: see `latency_ms`.

        Raises:
            ParameterError: nothing was scored.
        """
        if not self._tally.records:
            raise ParameterError(
                f"{len(self._seen_ns)} images, {len(self._answered_ns)} masks, {self._pairing.labels} labels arrived, "
                "but no mask and label of one stamp: are the topics remapped and the bag labelled?"
            )
        latency = [{"t_us": stamp // 1000, "ms": ms} for stamp, ms in self.latency_ms(sent_ns).items()]
        p50_ms, p95_ms = percentiles([entry["ms"] for entry in latency])
        unanswered = len(self._seen_ns) - len(self.answered)
        result = self._tally.result(about)
        by_time = {entry["t_us"]: entry["ms"] for entry in latency}
        return result | {
            "steps": [step | {"ms": by_time.get(step["t_us"], step["ms"])} for step in result["steps"]],
            "ms_per_step": None,
            "images": len(self._seen_ns),
            "answered": len(self.answered) / len(self._seen_ns) if self._seen_ns else None,
            "labels_without_mask": self._pairing.labels - self._pairing.paired,
            "latency_p50_ms": p50_ms,
            "latency_p95_ms": p95_ms,
            "latency_ms": latency,
            "latency_from": "sender" if sent_ns and sent_ns.keys() >= self._seen_ns.keys() else "arrival",
            "drops": self.losses | ({"pictures without a mask": unanswered} if unanswered else {}),
        }


def percentiles(times_ms: Iterable[float]) -> tuple[float | None, float | None]:
    """Median and 95th percentile; None where there is nothing."""
    times = list(times_ms)
    return (float(np.percentile(times, 50)), float(np.percentile(times, 95))) if times else (None, None)
