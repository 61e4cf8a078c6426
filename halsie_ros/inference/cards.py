"""Model cards: `models/NAME.yaml` says what a model is, where its graphs lie and under which licence it comes."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from halsie_ros.errors import ModelError


@dataclass(frozen=True, eq=False)
class ModelCard:
    """What a card says.

    Attributes:
        path: the card's own file; graphs lie beside it.
        name: of the model.
        task: "segmentation" or "action".
        graphs: file of each role, e.g. ``{"frame": Path, "step": Path}``.
        sha256: hex digest of each role's file.
        classes: class names in id order.
        palette: ``(C, 3) uint8`` RGB, or None where classes have no colours.
        bin_us: width of an event bin in microseconds.
        bins: event bins of one step; a step covers at most ``bins * bin_us``.
        size_multiple: input height and width must be multiples of it.
        inputs: which inputs the model was trained for, e.g. ``("frames", "events")``.
        commercial_use: False where the data's licence forbids it.
        licence: of the weights.
        data: what it was trained on.
        recipe: the command that trains it.
        confidence: of actions: a best score below this is "unknown"; chosen on what was left out of training.
        measured: figures, e.g. ``{"miou": 0.6}``; free form.
    """

    path: Path
    name: str
    task: str
    graphs: dict[str, Path]
    sha256: dict[str, str]
    classes: tuple[str, ...]
    palette: np.ndarray | None
    commercial_use: bool
    licence: str
    data: str
    recipe: str
    bin_us: int = 10_000
    bins: int = 5
    size_multiple: int = 1
    inputs: tuple[str, ...] = ()
    confidence: float = 0.4
    measured: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> ModelCard:
        """Reads a card; the graphs themselves are checked by :meth:`verify`.

        Raises:
            ModelError: the file is missing, is no YAML mapping, or lacks or misspells a field.
        """
        path = Path(path)
        try:
            fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no such model card; `halsie models` lists those that are here") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ModelError(f"{path}: not a model card ({_one_line(error)}): give a .yaml file of models/") from error
        if not isinstance(fields, dict):
            raise ModelError(f"{path}: not a model card (no mapping): give a .yaml file of models/")
        known = set(cls.__dataclass_fields__) - {"path"}
        needed = {name for name in known if name not in _OPTIONAL}
        for wrong, what in ((needed - set(fields), "lacks"), (set(fields) - known, "has unknown")):
            if wrong:
                raise ModelError(f"{path}: the model card {what} {', '.join(sorted(wrong))}: export the model again")
        try:
            return cls(
                path=path,
                **{name: fields[name] for name in ("name", "task", "commercial_use", "licence", "data", "recipe")},
                graphs={str(role): path.parent / str(file) for role, file in fields["graphs"].items()},
                sha256={str(role): str(digest) for role, digest in fields["sha256"].items()},
                classes=tuple(str(name) for name in fields["classes"]),
                palette=_palette(fields.get("palette"), len(fields["classes"])),
                bin_us=int(fields.get("bin_us", 10_000)),
                bins=int(fields.get("bins", 5)),
                size_multiple=int(fields.get("size_multiple", 1)),
                inputs=tuple(str(name) for name in fields.get("inputs", ())),
                confidence=_share(fields.get("confidence", 0.4)),
                measured=dict(fields.get("measured") or {}),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{path}: a field of the model card has a wrong type ({_one_line(error)})") from error

    def verify(self) -> None:
        """Compares every graph with the card's sha256.

        Raises:
            ModelError: a graph is missing or is another file than the one the card was written for.
        """
        for role, file in self.graphs.items():
            try:
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
            except OSError as error:
                raise ModelError(
                    f"{file}: the {role} graph of {self.name} cannot be read ({error.strerror})"
                ) from error
            if digest != self.sha256.get(role):
                raise ModelError(
                    f"{file}: sha256 {digest[:12]}… differs from the card's {str(self.sha256.get(role))[:12]}…: "
                    f"restore the {role} graph of {self.name} or export the model again"
                )

    def graph(self, role: str) -> Path:
        """The file of a role; ModelError where the model has no such graph."""
        if role not in self.graphs:
            raise ModelError(f"{self.path}: {self.name} is a {self.task} model without a {role} graph: choose another")
        return self.graphs[role]

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all graphs together."""
        return sum(file.stat().st_size for file in self.graphs.values())


_OPTIONAL = {"palette", "bin_us", "bins", "size_multiple", "inputs", "confidence", "measured"}


def model_folders() -> list[Path]:
    """Where models are looked for by name, in this order; only folders that exist.

    `$HALSIE_MODELS` (several, separated as in PATH), the checkout's models/, and share/halsie_ros/models of this
    Python's prefix and of every ROS workspace in AMENT_PREFIX_PATH.
    """
    folders = [Path(part) for part in os.environ.get("HALSIE_MODELS", "").split(os.pathsep) if part]
    folders.append(Path(__file__).resolve().parents[2] / "models")
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    folders += [Path(prefix) / "share" / "halsie_ros" / "models" for prefix in prefixes if prefix]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def find_model(name_or_path: str | Path) -> Path:
    """The card of a model: a path to a .yaml file, or a name that is looked up in :func:`model_folders`.

    Raises:
        ModelError: there is no such file, or no folder has a card of that name.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")) or os.sep in text:
        try:
            path = Path(text).expanduser()
        except RuntimeError:  # a user id without home
            raise ModelError(f"{text}: this user has no home folder; give the whole path") from None
        if not path.is_file():
            raise ModelError(f"{path}: no such model card; give a .yaml file or a name that `halsie models` lists")
        return path
    folders = model_folders()
    for folder in folders:
        if text and (folder / f"{text}.yaml").is_file():
            return folder / f"{text}.yaml"
    names = sorted({card.stem for folder in folders for card in folder.glob("*.yaml")})
    raise ModelError(f"model {text!r} is not here: known are {', '.join(names) or 'none'}; or give a path to its card")


def _palette(values: Any, classes: int) -> np.ndarray | None:
    if values is None:
        return None
    palette = np.array(values, np.uint8)
    if palette.shape != (classes, 3):
        raise ValueError(f"palette of shape {palette.shape} for {classes} classes")
    return palette


def _share(value: Any) -> float:
    if not 0 <= float(value) <= 1:
        raise ValueError(f"confidence {value}: give a number from 0 to 1")
    return float(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
