"""The segmentation node as its own process; camera and event camera in the test's: everything crosses DDS."""

import array
import signal
from fractions import Fraction

import av
import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo

from halsie_ros.nodes import qos


def node(start, *parameters, namespace=""):
    words = ["-m", "halsie_ros.nodes.segmentation", "--ros-args"]
    for parameter in parameters:
        words += ["-p", parameter]
    return start(*words, *(["-r", f"__ns:=/{namespace}"] if namespace else []))


@pytest.fixture(scope="module")
def shared_node(start_shared):
    return node(start_shared, "timeout_ms:=300.0")


def until_told(probe, part="segmentation", namespace="", **values):
    """The diagnostics of a part of the node once they hold these values."""
    name = f"{namespace}segmentation: {part}"
    probe.spin_until(lambda: values.items() <= probe.diagnostics.get(name, {}).items())
    return probe.diagnostics[name]


def assert_quiet(process):
    """It has said nothing but the licence of its model, that it runs, and what it waits for; and that noise is unlike
    any street."""
    lines = [line for line in process.output.splitlines() if "compil" not in line and "scene_known is 0." not in line]
    licence = [line for line in lines if "model halsie_street is not for commercial use: research use only" in line]
    assert len(licence) == 1 and licence[0].endswith("parameter model:=halsie_scene is free"), process.output
    lines.remove(licence[0])
    assert len(lines) == 1 and "[INFO]" in lines[0] and "active, waiting for /" in lines[0], process.output


def pixels(message):
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)


def test_every_frame_is_answered_with_its_own_stamp_size_and_frame(shared_node, camera, probe):
    eyes = camera()
    stamps = eyes.send(10_000, 30)
    masks = eyes.expect(stamps)
    assert all(mask.header.frame_id == "camera_optical" for mask in masks)
    assert all((m.height, m.width, m.step, m.encoding) == (120, 160, 160, "mono8") for m in masks)
    assert all(pixels(mask).max() < 11 for mask in masks)
    confidence = eyes.expect(stamps, "confidence")
    assert all((c.height, c.width, c.encoding) == (120, 160, "mono8") for c in confidence)
    assert len(eyes.heard["mask"]) == len(stamps)
    told = until_told(probe, mode="frames and events", level=0)
    assert told["model"] == "halsie_street" and float(told["scene_known"]) < 0.3  # the images are noise
    probe.spin_until(lambda: int(probe.diagnostics["segmentation: segmentation"]["masks"]) > 12)
    assert float(told["latency_p95_ms"]) >= float(told["latency_p50_ms"]) > 0


def test_label_names_reach_who_comes_late(shared_node, probe):
    heard = []
    probe.node.create_subscription(LabelInfo, "segmentation/label_info", heard.append, qos.latched_qos())
    probe.spin_until(lambda: heard)
    names = {item.class_id: item.class_name for item in heard[0].class_map}
    assert names[5] == "road" and names[255] == "unlabelled" and len(names) == 12


def test_a_bag_that_loops_and_a_jump_back_leave_no_frame_unanswered(shared_node, camera):
    for _ in range(2):
        eyes = camera()
        eyes.expect(eyes.send(1_000, 6))
    stamps = eyes.send(2_000, 4) + eyes.send(1_500, 4)
    eyes.expect(stamps)


def test_color_and_overlay_are_made_when_someone_listens(shared_node, camera):
    eyes = camera()
    eyes.listen("color", "overlay")
    stamps = eyes.send(20_000, 3)
    for name in ("color", "overlay"):
        made = eyes.expect(stamps, name)
        assert all((m.height, m.width, m.step, m.encoding) == (120, 160, 480, "rgb8") for m in made)
    assert len(np.unique(pixels(made[0]))) > 20  # the ramp shines through


def png(image):
    context = av.CodecContext.create("png", "w")
    context.height, context.width = image.shape[:2]
    context.pix_fmt, context.time_base = "rgb24", Fraction(1, 25)
    return b"".join(map(bytes, context.encode(av.VideoFrame.from_ndarray(image)) + context.encode(None)))


def test_a_compressed_image_topic_is_found_by_its_type(start, probe):
    process = node(start, namespace="packed")
    publisher = probe.publisher(CompressedImage, "/packed/image")
    heard = []
    probe.node.create_subscription(Image, "/packed/segmentation/mask", heard.append, 10)
    probe.spin_until(lambda: probe.node.count_publishers("/packed/segmentation/mask"))
    message = CompressedImage(format="png", data=array.array("B", png(np.full((50, 70, 3), 99, np.uint8))))
    message.header.frame_id, message.header.stamp.sec = "packed_optical", 7

    def answered():
        publisher.publish(message)
        message.header.stamp.sec += 1
        probe.spin_for(0.1)
        return heard

    probe.spin_until(answered)
    assert (heard[0].height, heard[0].width, heard[0].header.frame_id) == (50, 70, "packed_optical")
    message.data = array.array("B", b"not a picture")
    publisher.publish(message)
    process.wait_for("neither JPEG nor PNG")


def test_bad_images_are_counted_and_skipped_and_new_sizes_taken(shared_node, camera, probe):
    eyes = camera()
    eyes.expect(eyes.send(30_000, 2))
    for stamp_ms, change in ((30_150, {"encoding": "32FC1"}), (30_151, {"step": 3}), (30_200, {"size": (64, 96)})):
        eyes.send_events(stamp_ms - 49, stamp_ms)
        eyes.send_image(stamp_ms, **change)
        probe.spin_for(0.1)  # the node keeps the newest two
    (small,) = eyes.expect([30_200])
    assert (small.height, small.width) == (64, 96)
    told = until_told(probe, "image", dropped_bad_image="2", width="96")
    told = until_told(probe, "events", level=2)
    assert "registration identity: events are 160x120, images 96x64" in told["message"]
    (back,) = eyes.expect(eyes.send(30_250, 1))
    assert (back.height, back.width) == (120, 160)
    assert "32FC1" in shared_node.output and "Traceback" not in shared_node.output


def test_each_stream_goes_on_without_the_other(shared_node, camera, probe):
    eyes = camera()
    eyes.expect(eyes.send(40_000, 3))
    eyes.send(40_150, 10, images=False)
    probe.spin_until(lambda: max(eyes.heard["mask"]) > 40_500)
    alone = eyes.heard["mask"][max(eyes.heard["mask"])]
    assert (alone.height, alone.width, alone.header.frame_id) == (120, 160, "camera_optical")
    until_told(probe, mode="events", level=1)
    probe.spin_for(0.4)
    eyes.expect(eyes.send(41_000, 8, events=False))
    until_told(probe, mode="frames", level=1)
    assert until_told(probe, "events", level=3)["message"].startswith("silent for")


def test_masks_come_between_frames_when_a_rate_is_set_at_run_time(shared_node, camera, probe):
    eyes = camera()
    client = probe.node.create_client(SetParameters, "/segmentation/set_parameters")
    probe.spin_until(client.service_is_ready)

    def set_value(name, value):
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        future = client.call_async(request)
        probe.spin_until(future.done)
        return future.result().results[0]

    refused = set_value("mask_rate_hz", -1.0)
    assert not refused.successful and "mask_rate_hz out of range" in refused.reason
    refused = set_value("timeout_ms", 1.0)
    assert not refused.successful and refused.reason == "timeout_ms is 1: give more than max_wait_ms (20)"
    assert set_value("mask_rate_hz", 50).successful
    stamps = eyes.send(50_000, 10, period_ms=100)
    eyes.expect(stamps)
    assert set_value("mask_rate_hz", 0.0).successful
    between = sorted(set(eyes.heard["mask"]) - set(stamps))
    # Windows that end while the worker is busy are merged: how many come depends on the machine.
    assert len(between) >= 5 and {stamp % 20 for stamp in between if stamp > 50_200} == {0}


def test_two_nodes_in_one_domain_do_not_mix(start, shared_node, camera):
    other = node(start, namespace="left")
    left = camera("left", size=(96, 128), sensor=(96, 128))
    right = camera()
    # In turns, so that each may hear the other. Where a frame is late, a mask of its events alone comes before it.
    stamps = {left: 60_000, right: 70_000}
    for _ in range(4):
        for eyes in (left, right):
            stamps[eyes] = eyes.send_until_answered(stamps[eyes])
    for eyes, first_ms, size in ((left, 60_000, (96, 128)), (right, 70_000, (120, 160))):
        masks = eyes.heard["mask"]
        assert len(masks) >= 4 and {(mask.height, mask.width) for mask in masks.values()} == {size}
        assert all(first_ms <= stamp_ms < first_ms + 10_000 for stamp_ms in masks), sorted(masks)
    left.send_image(80_000)
    assert other.stop(signal.SIGINT, 2) == 0
    assert_quiet(other)


def test_sensors_of_different_size_meet_by_a_homography(start, camera, probe):
    homography = "homography:=[2.0, 0.0, 0.5, 0.0, 2.0, 0.5, 0.0, 0.0, 1.0]"
    process = node(start, "registration:=homography", homography, "mask_rate_hz:=100.0", namespace="pair")
    eyes = camera("pair", size=(120, 160), sensor=(60, 80))
    masks = eyes.expect(eyes.send(1_000, 5))
    assert all((m.height, m.width) == (120, 160) for m in masks)
    eyes.send(1_250, 30)  # long enough for a status while both come
    until_told(probe, namespace="pair/", mode="frames and events", level=0)
    assert until_told(probe, "events", namespace="pair/", width="80")["events_outside"] == "0"
    eyes.send_events(2_751, 2_900)
    eyes.send_image(2_800)
    assert process.stop(signal.SIGTERM, 2) == 0
    assert_quiet(process)


REFUSED = {
    "mask_rate_hz:=-5.0": "parameter mask_rate_hz is -5.0: give a value from 0 to 1000",
    "registration:=warp": "parameter registration is 'warp': give one of identity, resize,",
    "registration:=homography": "homography has 0 numbers: give 9, by rows, for this registration",
    "timeout_ms:=5.0": "timeout_ms is 5: give more than max_wait_ms (20)",
    "model:=no_such_model": "model 'no_such_model' is not here: known are",
    "model:=/nowhere/card.yaml": "/nowhere/card.yaml: no such model card",
}


@pytest.fixture(scope="module")
def refused(start_shared):
    return {parameter: node(start_shared, parameter) for parameter in REFUSED}  # all at once: it is waiting that costs


@pytest.mark.parametrize("parameter", REFUSED)
def test_what_cannot_work_is_one_line_at_start(refused, parameter):
    process = refused[parameter]
    assert process.wait() == 1
    lines = [line for line in process.output.splitlines() if "compil" not in line]
    assert len(lines) == 1 and lines[0].startswith(f"segmentation: {REFUSED[parameter]}")


def test_a_graph_that_is_not_the_cards_is_refused(start, tmp_path, repository):
    for path in (repository / "models").glob("halsie_scene*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "halsie_scene_step.onnx").open("ab") as file:
        file.write(b"x")
    process = node(start, f"model:={tmp_path / 'halsie_scene.yaml'}")
    assert process.wait() == 1
    assert "sha256" in process.output and process.output.count("\n") == 1


def test_a_lifecycle_manager_may_start_stop_and_start_it_again(start, probe, camera):
    process = node(start, "autostart:=false", namespace="managed")
    client = probe.node.create_client(ChangeState, "/managed/segmentation/change_state")
    probe.spin_until(client.service_is_ready)

    def change(transition):
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        probe.spin_until(future.done, 60.0)
        return future.result().success

    assert change(Transition.TRANSITION_CONFIGURE) and change(Transition.TRANSITION_ACTIVATE)
    eyes = camera("managed")
    eyes.expect(eyes.send(1_000, 2))
    assert change(Transition.TRANSITION_DEACTIVATE)
    until_told(probe, namespace="managed/", message="not active", level=3)
    assert change(Transition.TRANSITION_ACTIVATE)
    probe.spin_until(eyes.images.get_subscription_count)
    again = camera("managed")
    again.expect(again.send(5_000, 2))
    assert change(Transition.TRANSITION_DEACTIVATE) and change(Transition.TRANSITION_CLEANUP)
    assert process.stop(signal.SIGINT, 2) == 0
    assert "Traceback" not in process.output
