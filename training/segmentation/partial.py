"""Labels that say less than a class: "one of these", as coarser data sets have them.

A training label's id is a class's, or from the number of classes on a group's; what is known of such a pixel is the sum
of the probabilities of the group's classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from halsie_ros.classes import CAMVID_11, DSEC_11, IDD_LITE_7, ClassSet, remap

FAR, ROADSIDE, BUILT, UNLIKE = range(len(DSEC_11), len(DSEC_11) + 4)
"""Ids of the groups, and of what is like none of the classes: there all should be equally likely."""
GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "dsec_11": (("building", "vegetation"), ("pole", "traffic sign", "fence", "wall"), ("building", "wall")),
}
"""Names of each group's classes, by class set, in the order of ids: `FAR`, `ROADSIDE`, `BUILT`."""
_IDD_LITE = (5, 6, 3, 8, ROADSIDE, FAR, 0)


def groups_of(class_set: ClassSet) -> tuple[tuple[int, ...], ...]:
    """Ids of each group's classes; none for most class sets."""
    return tuple(tuple(map(class_set.names.index, names)) for names in GROUPS.get(class_set.name, ()))


def label_kinds(class_set: ClassSet) -> int:
    """Number of ids of training labels: classes, groups and `UNLIKE`, or classes alone."""
    groups = groups_of(class_set)
    return len(class_set) + (len(groups) + 1 if groups else 0)


def training_ids(label: np.ndarray, classes: ClassSet) -> np.ndarray:
    """A data set's label ``(H, W) uint8`` as a training label of DSEC's classes and their groups.

    CamVid's buildings may be walls, IDD-lite's coarse classes become groups, other sets have finer classes.
    """
    table = np.full(256, DSEC_11.ignore, np.uint8)
    if classes is IDD_LITE_7:
        table[: len(classes)] = _IDD_LITE
    else:
        table[: len(classes)] = remap(np.arange(len(classes), dtype=np.uint8), classes, DSEC_11)
    if classes is CAMVID_11:
        table[CAMVID_11.names.index("building")] = BUILT
    result: np.ndarray = table[label]
    return result


def filled(label: np.ndarray, guess: np.ndarray | None, whole: bool) -> np.ndarray:
    """A training label in which a network's guess decides what the label leaves open.

    Args:
        label: ``(H, W) uint8`` of `training_ids`.
        guess: ids of DSEC's classes, 255 where the network is not sure; None without a network.
        whole: the picture has no label of its own: the guess is all there is.

    Returns:
        Where a group holds the guess, the guess; where it does not, network and label disagree and the group stays.
    """
    if guess is None:
        return label
    if whole:
        return guess
    result = label.copy()
    for group, members in enumerate(groups_of(DSEC_11), len(DSEC_11)):
        settled = (label == group) & np.isin(guess, members)
        result[settled] = guess[settled]
    return result


def with_groups(log_likelihood: Tensor, groups: tuple[tuple[int, ...], ...]) -> Tensor:
    """Log-probabilities of classes ``(N, C, h, w)`` with those of the groups behind them, and last the mean of all,
    which is largest where all are equally likely (`UNLIKE`): ``(N, C + G + 1, h, w)``. Without groups as it came."""
    if not groups:
        return log_likelihood
    sums = [log_likelihood[:, list(members)].logsumexp(1, keepdim=True) for members in groups]
    return torch.cat((log_likelihood, *sums, log_likelihood.mean(1, keepdim=True)), 1)


def folded(ids: np.ndarray, target: ClassSet) -> np.ndarray:
    """Classes of DSEC, and groups of them, in the ids of IDD-lite or of the shared classes; 255 where a group is no
    class of those."""
    table = np.full(256, target.ignore, np.uint8)
    for place in range(len(DSEC_11)):
        table[place] = remap(np.array([place], np.uint8), DSEC_11, target)[0]
    for group, members in enumerate(groups_of(DSEC_11), len(DSEC_11)):
        kinds = set(table[list(members)].tolist())
        if len(kinds) == 1:
            table[group] = kinds.pop()
    result: np.ndarray = table[ids]
    return result
