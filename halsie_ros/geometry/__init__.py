"""Cameras and how one camera"s pixels lie in another"s picture."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.geometry.alignment import Alignment
    from halsie_ros.geometry.camera import Camera
    from halsie_ros.geometry.registration import Registration

__all__ = ["Alignment", "Camera", "Registration"]
__getattr__ = lazily(__name__, {"alignment": ("Alignment",), "camera": ("Camera",), "registration": ("Registration",)})
