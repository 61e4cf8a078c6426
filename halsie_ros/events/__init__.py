"""Events: arrays, codecs, windows, grids and geometry. Knows numpy and numba, never rclpy."""

from halsie_ros.events.events import Events

__all__ = ["Events"]
