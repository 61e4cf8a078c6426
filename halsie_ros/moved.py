"""Modules that have moved: their old import paths work for one release, with a DeprecationWarning.

`import halsie_ros.segmentation.labels` gives the very module `halsie_ros.classes`, so that classes stay the same ones.
`python -m` with an old path runs the module that is there now.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType

#: Old module -> new module, both below `halsie_ros`. Where a package took a module's name, its `__init__` re-exports.
MOVED = {
    "action.segments": "action.gops",
    "action.statistics": "action.motion_statistics",
    "bags.build": "bags.builders",
    "bags.build.camvid": "bags.builders.camvid",
    "bags.build.common": "bags.builders.common",
    "bags.build.ddd17": "bags.builders.ddd17",
    "bags.build.dsec": "bags.builders.dsec",
    "bags.build.mvsec": "bags.builders.mvsec",
    "bags.build.person": "bags.builders.person",
    "bags.build.scene": "bags.builders.scene",
    "bags.build.sequence": "bags.builders.sequence",
    "bags.types": "wire.definitions",
    "cli.demo_actions": "demo.actions",
    "cli.demo_pictures": "demo.pictures",
    "cli.live": "demo.live",
    "cli.output": "files",
    "datasets.camvid": "datasets.recordings.camvid",
    "datasets.clips": "datasets.actions.clips",
    "datasets.ddd17": "datasets.recordings.ddd17",
    "datasets.dsec": "datasets.recordings.dsec",
    "datasets.hmdb51": "datasets.actions.hmdb51",
    "datasets.kinetics": "datasets.actions.kinetics",
    "datasets.mvsec": "datasets.recordings.mvsec",
    "datasets.rpg": "datasets.recordings.rpg",
    "datasets.ssv2": "datasets.actions.ssv2",
    "datasets.splits": "datasets.registry",
    "datasets.ucf101": "datasets.actions.ucf101",
    "datasets.video_sets": "datasets.actions.video_sets",
    "events.camera": "geometry.camera",
    "events.files": "datasets.recordings.event_files",
    "events.files.aedat4": "datasets.recordings.event_files.aedat4",
    "events.files.hdf5": "datasets.recordings.event_files.hdf5",
    "events.files.prophesee": "datasets.recordings.event_files.prophesee",
    "events.files.text": "datasets.recordings.event_files.text",
    "events.geometry": "geometry.registration",
    "events.layout": "wire.layout",
    "kernel_cache": "kernels",
    "nodes.demo": "nodes.recorder",
    "nodes.images": "pictures.image_message",
    "segmentation.alignment": "geometry.alignment",
    "segmentation.engine": "segmentation.stream",
    "segmentation.labels": "classes",
    "simulation.actions": "simulation.person.actions",
    "simulation.blocks": "simulation.street.blocks",
    "simulation.flow": "pictures.flow",
    "simulation.frontage": "simulation.street.frontage",
    "simulation.furniture": "simulation.street.furniture",
    "simulation.ground": "simulation.street.ground",
    "simulation.layout": "simulation.street.layout",
    "simulation.light": "pictures.srgb",
    "simulation.lighting": "simulation.street.lighting",
    "simulation.lookup": "simulation.street.lookup",
    "simulation.mesh": "simulation.street.mesh",
    "simulation.path": "simulation.street.path",
    "simulation.people": "simulation.person.people",
    "simulation.performance": "simulation.person.performance",
    "simulation.raster": "simulation.street.raster",
    "simulation.shading": "simulation.street.shading",
    "simulation.site": "simulation.street.site",
    "simulation.sky": "simulation.street.sky",
    "simulation.surface": "simulation.street.surface",
    "simulation.textures": "simulation.street.textures",
    "simulation.traffic": "simulation.street.traffic",
    "simulation.vehicles": "simulation.street.vehicles",
    "simulation.walkers": "simulation.street.walkers",
    "simulation.warp": "simulation.still",
    "video.bits": "video.codecs.bits",
    "video.cabac": "video.codecs.cabac",
    "video.h264": "video.codecs.h264.reader",
    "video.h264_elements": "video.codecs.h264.elements",
    "video.h264_ends": "video.codecs.h264.ends",
    "video.h264_headers": "video.codecs.h264.headers",
    "video.h264_macroblocks": "video.codecs.h264.macroblocks",
    "video.h264_motion": "video.codecs.h264.motion",
    "video.h264_tables": "video.codecs.h264.tables",
    "video.headers": "video.codecs.readers",
    "video.hevc": "video.codecs.hevc.reader",
    "video.hevc_elements": "video.codecs.hevc.elements",
    "video.hevc_ends": "video.codecs.hevc.ends",
    "video.hevc_headers": "video.codecs.hevc.headers",
    "video.hevc_residual": "video.codecs.hevc.residual",
    "video.hevc_slices": "video.codecs.hevc.slices",
    "video.hevc_tables": "video.codecs.hevc.tables",
    "video.hevc_transforms": "video.codecs.hevc.transforms",
    "video.hevc_units": "video.codecs.hevc.units",
    "video.mpeg12": "video.codecs.mpeg12",
    "video.mpeg4": "video.codecs.mpeg4",
    "video.picture": "video.draw",
    "video.sequence": "video.codecs.packet_header",
    "video.vp9": "video.codecs.vp9",
}


class MovedModules(importlib.abc.MetaPathFinder):
    """Finds moved modules by their old names.

    Args:
        package: the package that they lie below.
        moved: old name -> new name, both without the package.
    """

    def __init__(self, package: str, moved: Mapping[str, str]) -> None:
        self._moved = {f"{package}.{old}": f"{package}.{new}" for old, new in moved.items()}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec that loads the module at its new place; None for every other name."""
        new = self._moved.get(fullname)
        if new is None:
            return None
        there = importlib.util.find_spec(new)
        return importlib.machinery.ModuleSpec(fullname, _Redirect(new), origin=there.origin if there else None)


class _Redirect(importlib.abc.InspectLoader):
    def __init__(self, new: str) -> None:
        self._new = new
        self._spec: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} has moved: import {self._new}", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(self._new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module was executed at its new place: only its spec, which the import replaced, is put back."""
        module.__spec__ = self._spec

    def get_code(self, fullname: str) -> CodeType | None:
        """The new module's code, for `python -m`."""
        loader = self._loader()
        return loader.get_code(self._new) if loader else None

    def get_source(self, fullname: str) -> str | None:
        """The new module's source."""
        loader = self._loader()
        return loader.get_source(self._new) if loader else None

    def _loader(self) -> importlib.abc.InspectLoader | None:
        spec = importlib.util.find_spec(self._new)
        return spec.loader if spec and isinstance(spec.loader, importlib.abc.InspectLoader) else None


def redirect(package: str, moved: Mapping[str, str] = MOVED) -> None:
    """Lets old import paths of `package` work.

    First in line, for a moved package's folder would otherwise be searched again under its old name.
    """
    sys.meta_path.insert(0, MovedModules(package, moved))
