"""Masks and labels of equal stamp find each other, whichever comes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from halsie_ros.classes import ClassSet
from halsie_ros.errors import ParameterError

KEPT = 256
"""Masks and labels that wait for their partner at most, each; the oldest go first."""


class Pairing:
    """Holds what has no partner yet.

    Attributes:
        paired: pairs given out.
        labels: labels seen.
    """

    def __init__(self) -> None:
        self.paired = self.labels = 0
        self._masks: OrderedDict[int, Any] = OrderedDict()
        self._labels: OrderedDict[int, np.ndarray] = OrderedDict()

    def add_mask(self, stamp_ns: int, mask: Any) -> tuple[Any, np.ndarray] | None:
        """Takes a mask (with whatever belongs to it); gives mask and label where both are here now."""
        self._masks[stamp_ns] = mask
        return self._pair(stamp_ns)

    def add_label(self, stamp_ns: int, label: np.ndarray) -> tuple[Any, np.ndarray] | None:
        """Takes a label; gives mask and label where both are here now."""
        self.labels += 1
        self._labels[stamp_ns] = label
        return self._pair(stamp_ns)

    def _pair(self, stamp_ns: int) -> tuple[Any, np.ndarray] | None:
        if stamp_ns in self._masks and stamp_ns in self._labels:
            self.paired += 1
            return self._masks.pop(stamp_ns), self._labels.pop(stamp_ns)
        for waiting in (self._masks, self._labels):
            while len(waiting) > KEPT:
                waiting.popitem(last=False)
        return None


def class_set_of_info(classes: Any, known: dict[str, ClassSet]) -> ClassSet:
    """The class set that a LabelInfo message's ``class_map`` names.

    Raises:
        ParameterError: it is none of ours.
    """
    names = tuple(entry.class_name for entry in sorted(classes, key=lambda entry: entry.class_id))
    for class_set in known.values():
        if names[: len(class_set)] == class_set.names and len(names) <= len(class_set) + 1:
            return class_set
    raise ParameterError(f"labels of classes {', '.join(names)}: none of {', '.join(known)}; masks cannot be scored")
