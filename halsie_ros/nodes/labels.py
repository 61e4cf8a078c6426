"""Names of class ids as a message."""

from __future__ import annotations

from typing import Any

from halsie_ros.errors import HalsieError
from halsie_ros.nodes.topics import message_class, missing_type

UNLABELLED = 255


def vision_message(name: str) -> type:
    """A class of vision_msgs; raises HalsieError that says how to get the package."""
    made = message_class(f"vision_msgs/msg/{name}")
    if made is None:
        raise HalsieError(missing_type(f"vision_msgs/msg/{name}"))
    return made


def label_info(classes: tuple[str, ...], rest: str = "unlabelled") -> Any:
    """A vision_msgs/LabelInfo that names the ids; 255, the largest, means `rest`."""
    item = vision_message("VisionClass")
    names = [*enumerate(classes), (UNLABELLED, rest)]
    return vision_message("LabelInfo")(class_map=[item(class_id=number, class_name=name) for number, name in names])
