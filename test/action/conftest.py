"""A tiny untrained action model and a short clip, made once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory):
    """A function that writes a clip of a moving disc: `make_clip(frames, codec="h264", gop=12)`."""

    def make(frames: int, codec: str = "h264", gop: int = 12, direction: int = 1) -> Path:
        path = tmp_path_factory.mktemp("clips") / f"{codec}_{frames}_{gop}.mp4"
        rows, columns = np.mgrid[:96, :128]
        ground = np.random.default_rng(0).integers(60, 180, (12, 16)).repeat(8, 0).repeat(8, 1)
        with av.open(str(path), "w") as container:
            stream = container.add_stream({"h264": "libx264"}.get(codec, codec), rate=Fraction(30))
            stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
            stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, 0
            stream.codec_context.thread_count = 1
            if codec == "h264":
                stream.options = {"bf": "0", "refs": "1", "sc_threshold": "0", "keyint_min": str(gop)}
            for t in range(frames):
                picture = ground.copy()
                picture[(rows - 48) ** 2 + (columns - (64 + direction * (2 * t % 60 - 30))) ** 2 < 200] = 230
                frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="gray")
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def action_model(tmp_path_factory):
    """Card of an untrained model of three classes with distinct, repeatable scores."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from training.action.export import export
    from training.networks.action_config import ActionConfig
    from training.networks.compressed_video import CompressedVideoNet

    torch.manual_seed(1)
    network = CompressedVideoNet(ActionConfig(3, width=32, channels=8, image_channels=16, layers=1, heads=2, gops=4))
    about = {"commercial_use": True, "licence": "none", "data": "none", "recipe": "untrained"}
    return export(network, "tiny", tmp_path_factory.mktemp("models"), ["left", "right", "still"], about, {})
