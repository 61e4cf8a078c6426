"""One bag through the real node over DDS and through the offline evaluation: the masks are the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.bags.builders.common import EVENTS_TOPIC, IMAGE_TOPIC
from halsie_ros.cli.main import main
from halsie_ros.demo.live import NodeCommand, run_live
from halsie_ros.evaluation.bag import evaluate_bag
from halsie_ros.evaluation.offline import StreamSettings
from halsie_ros.segmentation.pipeline import SegmentationPipeline
from halsie_ros.segmentation.stream import MaskStream

pytest.importorskip("rosbags")

# Frames wait for their events, and nothing counts as silent, however loaded this machine is.
PATIENT = {"max_wait_ms": 1000.0, "timeout_ms": 10_000.0}
CASES = {
    "identity": {},
    "homography": {"registration": "homography", "homography": [0.9, 0.05, 3.0, -0.05, 0.9, 4.0, 0.0, 0.0, 1.0]},
    "between frames": {"mask_rate_hz": 40.0},
}
# Steps between frames do not wait for a worker that is long busy elsewhere: they are merged.
RATES = {"between frames": 0.1}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """A second of a street at dusk, whose noisy frames are restored by events."""
    folder = tmp_path_factory.mktemp("bags") / "street"
    words = ["--seed", "4", "--duration", "1", "--light", "night", "--width", "128", "--height", "96"]
    assert main(["bag", "build", "scene", str(folder), *words, "--frame-rate", "10"]) == 0
    return folder


def offline_masks(bag, settings, monkeypatch):
    """The masks by stamp that `halsie evaluate segmentation --bag` scores."""
    masks, run = {}, MaskStream.run

    def noting(self, step, image, sensor_size):
        result = run(self, step, image, sensor_size)
        masks[step.stamp_ns] = result.mask
        return result

    monkeypatch.setattr(MaskStream, "run", noting)
    result, tally = evaluate_bag(
        SegmentationPipeline("halsie_scene"), bag, ground_truth="/ground_truth/mask", settings=settings
    )
    assert result["frames"] == 11 and len(tally.windows) == len(masks)
    return masks


@pytest.mark.parametrize("case", CASES)
def test_a_live_run_without_drops_gives_the_masks_of_the_offline_run(bag, case, monkeypatch):
    # First, for it compiles what the node then only loads.
    offline = offline_masks(bag, StreamSettings(**PATIENT, **CASES[case]), monkeypatch)
    node = NodeCommand(
        "segmentation",
        {"image": IMAGE_TOPIC, "events": EVENTS_TOPIC},
        PATIENT | CASES[case] | {"model": "halsie_scene"},
    )
    live = run_live(bag, [node], wait_for=[IMAGE_TOPIC, EVENTS_TOPIC], rate=RATES.get(case, 0.5))
    told = live.log["diagnostics"]["segmentation: segmentation"]["values"]
    assert not live.drops() and not any(int(told[name]) for name in ("merged_step", "gap", "time_jump"))
    assert int(told["restored_frame"]) > 0 or case == "homography"
    assert live.masks.keys() == offline.keys()
    assert len(offline) > 11 or case != "between frames"
    different = [stamp for stamp, mask in live.masks.items() if not np.array_equal(mask, offline[stamp])]
    assert not different
