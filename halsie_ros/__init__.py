"""halsie_ros: semantic segmentation from camera and event camera, and action labels from encoded video, for ROS 2."""

import os
from pathlib import Path

from halsie_ros.kernels import ensure_cache_folder
from halsie_ros.moved import redirect

__version__ = "0.1.0"

redirect("halsie_ros")
ensure_cache_folder(
    os.environ, Path(__file__).parent, Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
)
