"""Recipes of action networks: YAML files to frozen dataclasses; what does not fit together is refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from halsie_ros.datasets.actions.video_sets import open_video_set
from training.action.data import ClipCache, ClipFiles, ClipSource, JoinedClips
from training.core.command import TrainingError
from training.core.loop import LoopConfig
from training.core.recipes import build
from training.core.shares import check
from training.networks.action_config import ActionConfig


@dataclass(frozen=True)
class SourceConfig:
    """Where clips come from: caches, or a data set in its official layout.

    Attributes:
        cache: folder name beneath `--data`; with a star, all caches whose names fit.
        dataset: one of `halsie_ros.datasets.actions.video_sets.VIDEO_SETS`, with `root`, `split` and `csv`.
        repeat: how often a pass over the data takes each clip.
        validate: whether its held-out groups (of a data set: all of it) are validated on instead of trained on.
        expert: whether the motion-map expert learns from it: "copies" (mirrored ones too), "once" or "no".
        validate_at_most: so many clips of it are validated on, spread evenly; 0: all.
    """

    cache: str | None = None
    dataset: str | None = None
    root: str | None = None
    split: str | None = None
    csv: str | None = None
    repeat: int = 1
    validate: bool = True
    validate_at_most: int = 0
    expert: str = "copies"

    def __post_init__(self) -> None:
        if self.expert not in ("copies", "once", "no"):
            raise TrainingError(f"expert is {self.expert!r}: choose copies, once or no")

    def open(self, data: Path) -> ClipSource:
        """Opens the source.

        Raises:
            TrainingError: it has no place, or two, or no cache is there.
        """
        if (self.cache is None) == (self.dataset is None or self.root is None):
            raise TrainingError(f"a source needs either a cache or a dataset with its root, not {self}")
        if self.cache is None:
            check(Path(str(self.root)))
            return ClipFiles.open(str(self.dataset), Path(str(self.root)), self.split, self.csv)
        if self.cache.endswith("/*"):
            check(data / self.cache.removesuffix("/*"))
        folders = sorted(path.parent for path in data.glob(f"{self.cache}/clips.npz"))
        if not folders:
            raise TrainingError(f"{data / self.cache}: no cache: write it with python -m training.action.cache")
        caches = [ClipCache.load(folder) for folder in folders]
        return caches[0] if len(caches) == 1 else JoinedClips.of(caches)


@dataclass(frozen=True)
class MotionMapConfig:
    """The motion-map expert beside the network (:mod:`training.action.motion_map`).

    Attributes:
        kind: "maps" (where on the person things move; actions) or "statistics" (how much and how suddenly; scenes).
        joins: "sum" (its scores are added to the network's probabilities) or "product" (they are multiplied: where the
            expert knows nothing alike it is even, and the network decides).
        weight: of its scores against the network's probabilities (sum).
        nudges: whether clips of validated sources are added four times more, displaced by a cell (maps).
        gops: of a clip at most.
        times: into how many times a clip is sorted (maps).
        components: to which descriptors are projected (maps).
        sharpness: of the kernel, in inverse median squared distances.
        ridge: added to the kernel's diagonal.
        temperature: scores are multiplied by it before they become probabilities.
    """

    kind: str = "maps"
    joins: str = "sum"
    weight: float = 8.0
    nudges: bool = False
    gops: int = 8
    times: int = 8
    components: int = 512
    sharpness: float = 1.0
    ridge: float = 0.03
    temperature: float = 12.0

    def __post_init__(self) -> None:
        if self.kind not in ("maps", "statistics"):
            raise TrainingError(f"motion_map: kind is {self.kind!r}: choose maps or statistics")
        if self.joins not in ("sum", "product"):
            raise TrainingError(f"motion_map: joins is {self.joins!r}: choose sum or product")


@dataclass(frozen=True)
class ActionRecipe:
    """One training run.

    Attributes:
        classes: names in id order; `none` marks clips that show none of the others. Empty: those of the first data
            set's own lists (see :meth:`with_classes`).
        loop: see `LoopConfig`.
        card: what the model's card will say: commercial_use, licence, data, recipe.
        data: sources.
        hold_out: groups that are validated on and never trained on.
        mirror: "same" (a mirrored clip keeps its label), "swap" (with `mirror_pairs`) or "never".
        mirror_pairs: pairs of classes that change places when mirrored.
        size: "small" or "base".
        model: changes to that size.
        initial: checkpoint to start from; layers of other shapes start afresh.
        strength: of the augmentation; 0: none.
        label_smoothing: of the loss.
        training_gops: so many GOPs of each clip are taken in training, chosen at random (to save time); None: all.
        streaming: share of the training clips that are shown as a stream's window: it ends anywhere in an action, and
            half of these begin with another clip's end.
        motion_map: the expert beside the network; None: none.
    """

    classes: tuple[str, ...]
    loop: LoopConfig
    card: dict[str, Any]
    data: tuple[SourceConfig, ...]
    hold_out: tuple[str, ...] = ()
    mirror: str = "same"
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    size: str = "small"
    model: dict[str, Any] = field(default_factory=dict)
    initial: str | None = None
    strength: float = 0.6
    label_smoothing: float = 0.1
    training_gops: int | None = None
    streaming: float = 0.0
    motion_map: MotionMapConfig | None = None

    def __post_init__(self) -> None:
        if self.mirror not in ("same", "swap", "never"):
            raise TrainingError(f"mirror is {self.mirror!r}: choose same, swap or never")
        if self.mirror_pairs and self.mirror != "swap":
            raise TrainingError(f"mirror_pairs need mirror: swap, it is {self.mirror}")
        if strange := {name for pair in self.mirror_pairs for name in pair} - set(self.classes):
            raise TrainingError(f"mirror_pairs name {', '.join(sorted(strange))}: not among the classes")
        if not 0 <= self.streaming <= 1:
            raise TrainingError(f"streaming is {self.streaming}: give a share between 0 and 1")
        if self.classes:
            self.network()

    def with_classes(self) -> ActionRecipe:
        """The recipe, its classes those of its first data set's lists where it names none.

        Raises:
            TrainingError: it names none and reads no data set.
        """
        if self.classes:
            return self
        given = next((source for source in self.data if source.dataset), None)
        if given is None:
            raise TrainingError("classes is empty: name them, or read a data set that has them")
        found = open_video_set(str(given.dataset), Path(str(given.root)), given.split, given.csv)
        return replace(self, classes=found.classes)

    def network(self) -> ActionConfig:
        """The network's sizes: those of `size` with the changes of `model`.

        Raises:
            TrainingError: an unknown size or change.
        """
        try:
            sizes = asdict(ActionConfig.size(self.size, len(self.classes)))
        except ValueError as error:
            raise TrainingError(str(error)) from error
        return build(ActionConfig, {**sizes, **self.model}, "model")
