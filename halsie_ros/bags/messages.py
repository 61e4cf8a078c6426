"""Serialized messages from arrays, for bags: images, masks, camera_info, imu, labels, packets, text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.wire.definitions import typestore
from halsie_ros.wire.stamps import ns_to_stamp

STAMP_BYTES = 12
"""The serialization's 4 bytes and a stamp: the beginning of a message with a header."""


def serialize(message_type: str, **fields: Any) -> bytes:
    """CDR bytes of a message whose fields are given by name; nested messages come from `message`."""
    return bytes(typestore().serialize_cdr(message(message_type, **fields), message_type))


def message(message_type: str, **fields: Any) -> Any:
    """A rosbags message object."""
    return typestore().types[message_type](**fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    return message("std_msgs/msg/Header", stamp=time_of(stamp_ns), frame_id=frame_id)


def time_of(stamp_ns: int) -> Any:
    """builtin_interfaces/Time."""
    seconds, nanoseconds = ns_to_stamp(stamp_ns)
    return message("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def image(pixels: np.ndarray, *, stamp_ns: int, frame_id: str) -> bytes:
    """sensor_msgs/Image: ``(H, W) uint8`` as mono8, ``(H, W) uint16`` as mono16, ``(H, W, 3) uint8`` as rgb8,
    ``(H, W) float32`` (depth in metres) as 32FC1."""
    kinds = {(np.dtype(np.uint8), 2): "mono8", (np.dtype(np.uint16), 2): "mono16", (np.dtype(np.float32), 2): "32FC1"}
    kinds[np.dtype(np.uint8), 3] = "rgb8"
    encoding = kinds.get((pixels.dtype, pixels.ndim))
    if encoding is None or (encoding == "rgb8" and pixels.shape[2] != 3):
        raise CodecError(f"image of {pixels.dtype} and shape {pixels.shape}: give uint8 (H, W) or (H, W, 3), or depth")
    data = np.ascontiguousarray(pixels)
    return serialize(
        "sensor_msgs/msg/Image",
        header=header(stamp_ns, frame_id),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=data.strides[0],
        data=data.view(np.uint8).reshape(-1),
    )


def camera_info(
    width: int,
    height: int,
    matrix: np.ndarray,
    *,
    stamp_ns: int,
    frame_id: str,
    distortion: Sequence[float] = (),
    model: str = "plumb_bob",
    rectification: np.ndarray | None = None,
) -> bytes:
    """sensor_msgs/CameraInfo from ``(3, 3)`` intrinsics; no rectification means the identity."""
    matrix = np.asarray(matrix, np.float64).reshape(3, 3)
    rectify = np.eye(3) if rectification is None else np.asarray(rectification, np.float64)
    return serialize(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        distortion_model=model,
        d=np.asarray(distortion, np.float64),
        k=matrix.reshape(-1),
        r=rectify.reshape(-1),
        p=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=message("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def imu(acceleration: np.ndarray, angular_velocity: np.ndarray, *, stamp_ns: int, frame_id: str) -> bytes:
    """sensor_msgs/Imu without an orientation; m/s^2 and rad/s, ``(3,)`` each."""
    unknown = np.zeros(9)
    vector = [
        message("geometry_msgs/msg/Vector3", **dict(zip("xyz", map(float, values))))
        for values in (acceleration, angular_velocity)
    ]
    return serialize(
        "sensor_msgs/msg/Imu",
        header=header(stamp_ns, frame_id),
        orientation=message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=np.array([-1.0, *unknown[1:]]),  # -1: no orientation (sensor_msgs/Imu)
        angular_velocity=vector[1],
        angular_velocity_covariance=unknown,
        linear_acceleration=vector[0],
        linear_acceleration_covariance=unknown,
    )


def pose(matrix: np.ndarray, *, stamp_ns: int, frame_id: str) -> bytes:
    """geometry_msgs/PoseStamped from a ``(4, 4)`` transform."""
    rotation = np.asarray(matrix, np.float64)[:3, :3]
    # Largest of the four squared components first (Shepperd 1978), so that no division is by nearly zero.
    squares = 1 + np.array(
        [
            np.trace(rotation),
            2 * rotation[0, 0] - np.trace(rotation),
            2 * rotation[1, 1] - np.trace(rotation),
            2 * rotation[2, 2] - np.trace(rotation),
        ]
    )
    pairs = np.array(
        [
            [squares[0], *(rotation[j, i] - rotation[i, j] for i, j in ((1, 2), (2, 0), (0, 1)))],
            [0, squares[1], rotation[0, 1] + rotation[1, 0], rotation[0, 2] + rotation[2, 0]],
            [0, 0, squares[2], rotation[1, 2] + rotation[2, 1]],
            [0, 0, 0, squares[3]],
        ]
    )
    pairs = np.triu(pairs) + np.triu(pairs, 1).T
    best = pairs[int(np.argmax(squares))]
    w, x, y, z = (best / np.linalg.norm(best)).tolist()
    place = dict(zip("xyz", map(float, np.asarray(matrix)[:3, 3])))
    return serialize(
        "geometry_msgs/msg/PoseStamped",
        header=header(stamp_ns, frame_id),
        pose=message(
            "geometry_msgs/msg/Pose",
            position=message("geometry_msgs/msg/Point", **place),
            orientation=message("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        ),
    )


def label_info(names: Sequence[str], *, stamp_ns: int, frame_id: str) -> bytes:
    """vision_msgs/LabelInfo: ids 0 … C-1 by name, and 255 as "unlabelled"."""
    classes = [*enumerate(names), (255, "unlabelled")]
    return serialize(
        "vision_msgs/msg/LabelInfo",
        header=header(stamp_ns, frame_id),
        class_map=[message("vision_msgs/msg/VisionClass", class_id=i, class_name=name) for i, name in classes],
        threshold=0.0,
    )


def ffmpeg_packet(
    data: bytes, *, stamp_ns: int, frame_id: str, width: int, height: int, encoding: str, pts: int, keyframe: bool
) -> bytes:
    """ffmpeg_image_transport_msgs/FFMPEGPacket."""
    return serialize(
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        header=header(stamp_ns, frame_id),
        width=width,
        height=height,
        encoding=encoding,
        pts=pts,
        flags=int(keyframe),
        is_bigendian=False,
        data=np.frombuffer(data, np.uint8),
    )


def text(value: str) -> bytes:
    """std_msgs/String."""
    return serialize("std_msgs/msg/String", data=value)
