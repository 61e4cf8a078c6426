"""The action node as its own process; the test encodes a video and sends its packets over DDS."""

import array
import signal
from fractions import Fraction

import av
import numpy as np
import pytest
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from std_msgs.msg import String
from vision_msgs.msg import Classification, LabelInfo

from halsie_ros.nodes import qos


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained model: what it says means nothing, but it is always the same."""
    torch = pytest.importorskip("torch", reason="the tiny model is exported with torch")
    pytest.importorskip("onnx", reason="the tiny model is exported with onnx")
    from training.action.export import export
    from training.networks.action_config import ActionConfig
    from training.networks.compressed_video import CompressedVideoNet

    torch.manual_seed(1)
    network = CompressedVideoNet(ActionConfig(3, width=32, channels=8, image_channels=16, layers=1, heads=2, gops=4))
    about = {"commercial_use": False, "licence": "for tests", "data": "none", "recipe": "untrained"}
    folder = tmp_path_factory.mktemp("models")
    export(network, "tiny", folder, ["left", "right", "still"], about, {})
    return folder / "tiny.yaml"


def packets(frames, size=(96, 128), first_ms=1000):
    """H.264, a disc that moves, GOP 12, 30 Hz: FFMPEGPacket messages."""
    height, width = size
    context = av.CodecContext.create("libx264", "w")
    context.height, context.width, context.pix_fmt = height, width, "yuv420p"
    context.time_base, context.framerate, context.gop_size, context.max_b_frames = Fraction(1, 30), 30, 12, 0
    context.thread_count = 1
    context.options = {"preset": "ultrafast", "sc_threshold": "0", "keyint_min": "12", "tune": "zerolatency"}
    rows, columns = np.mgrid[:height, :width]
    encoded = []
    for t in range(frames):
        picture = ((columns * 3 + rows * 5) % 200).astype(np.uint8)
        picture[(rows - 48) ** 2 + (columns - 30 - t) ** 2 < 200] = 230
        frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
        frame.pts = t
        encoded += context.encode(frame)
    encoded += context.encode(None)
    messages = []
    for t, packet in enumerate(encoded):
        message = FFMPEGPacket(width=width, height=height, encoding="h264", pts=t, flags=int(packet.is_keyframe))
        message.data = array.array("B", bytes(packet))
        message.header.frame_id = "video_optical"
        stamp_ns = first_ms * 1_000_000 + t * 33_333_333
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        messages.append(message)
    return messages


@pytest.fixture(scope="module")
def node(start_shared, model):
    words = ["-p", f"model:={model}", "-p", "confidence:=0.0", "-p", "min_segments:=2", "-p", "timeout_ms:=9000.0"]
    return start_shared("-m", "halsie_ros.nodes.action", "--ros-args", *words)


@pytest.fixture
def ear(node, probe):
    """Subscribes, and sends what it is told at 30 Hz."""

    class Ear:
        def __init__(self):
            self.scores, self.words = [], []
            probe.node.create_subscription(Classification, "action/classification", self.scores.append, 100)
            probe.node.create_subscription(String, "action/label", self.words.append, 100)
            self.publisher = probe.publisher(FFMPEGPacket, "packets")
            probe.spin_until(lambda: probe.node.count_publishers("action/classification"))
            probe.spin_for(0.3)

        def send(self, messages):
            for message in messages:
                self.publisher.publish(message)
                probe.spin_for(1 / 30)

    return Ear()


def told(probe, part, **values):
    name = f"action: {part}"
    probe.spin_until(lambda: values.items() <= probe.diagnostics.get(name, {}).items())
    return probe.diagnostics[name]


def test_labels_come_at_their_rate_sorted_and_with_the_stamp_of_their_picture(ear, probe, node):
    messages = packets(60)
    ear.send(messages)
    probe.spin_until(lambda: ear.scores and ear.scores[-1].results[0].class_id != "unknown")
    stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages}
    assert all((s.header.stamp.sec, s.header.stamp.nanosec) in stamps for s in ear.scores)
    assert {s.header.frame_id for s in ear.scores} == {"video_optical"}
    assert 8 <= len(ear.scores) <= 11  # 5 Hz over 2 s
    assert [h.class_id for h in ear.scores[0].results] == ["unknown"]  # nothing was seen yet
    last = ear.scores[-1].results
    assert sorted(h.class_id for h in last) == ["left", "right", "still"]
    assert [h.score for h in last] == sorted((h.score for h in last), reverse=True)
    assert sum(h.score for h in last) == pytest.approx(1.0, abs=1e-5)
    assert ear.words[0].data.startswith("unknown (") and ear.words[-1].data.startswith(last[0].class_id)
    status = told(probe, "packets", codec="h264", width="128", height="96", level=0)
    assert status["dropped_bad_packet"] == "0" and status["untrusted"] == "0"
    assert float(told(probe, "action", label=last[0].class_id)["latency_p95_ms"]) > 0
    assert "not for commercial use" in node.output


def test_a_late_joiner_a_loss_and_damage_make_it_say_unknown_until_the_next_start(ear, probe):
    messages = packets(96, first_ms=20_000)
    del messages[30:33]
    ear.send(messages[4:])  # joins in the middle of a GOP, loses three packets
    status = told(probe, "packets", stream_lost="1", level=0)
    assert int(status["untrusted"]) >= 3
    unknown = [s for s in ear.scores if s.results[0].class_id == "unknown"]
    assert unknown and len(unknown) < len(ear.scores) and all(0 <= s.results[0].score <= 1 for s in unknown)
    ear.publisher.publish(FFMPEGPacket(encoding="wobble", data=array.array("B", b"123")))
    assert told(probe, "packets", dropped_bad_packet="1")["dropped_superseded"] == "0"


def test_another_resolution_and_a_jump_back_are_taken_in_their_stride(ear, probe, node):
    ear.send(packets(30, first_ms=40_000))
    ear.scores.clear()
    ear.send(packets(30, size=(144, 176), first_ms=41_000))
    ear.send(packets(30, first_ms=30_000))
    probe.spin_until(lambda: ear.scores and ear.scores[-1].header.stamp.sec == 30)
    told(probe, "packets", width="128", height="96", level=0)
    assert [s.results[0].class_id for s in ear.scores if s.header.stamp.sec == 30][-1] != "unknown"
    ear.send(packets(30, first_ms=30_000))  # the very same again
    probe.spin_until(lambda: [s.header.stamp.sec for s in ear.scores].count(30) >= 10)
    assert node.popen.poll() is None


def test_fields_at_their_default_and_pictures_in_pieces_are_read_and_said(ear, probe, node):
    ear.send(packets(12, first_ms=30_000))
    ear.scores.clear()
    for message in packets(90, first_ms=0):
        message.header.stamp.sec = message.header.stamp.nanosec = message.pts = message.flags = 0
        message.width = message.height = 0
        data = bytes(message.data)
        for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
            message.data = array.array("B", piece)
            ear.publisher.publish(message)
            probe.spin_for(1 / 60)
    probe.spin_until(lambda: ear.scores and ear.scores[-1].results[0].class_id != "unknown")
    status = probe.diagnostics["action: packets"]
    assert status["level"] == 1 and "header.stamp" in status["message"]
    assert "times of arrival" in status["note_stamps"] and "whole picture" in status["note_pieces"]
    assert node.output.count("header.stamp") == 1, node.output  # lasting in the status, once in the log


def test_class_names_reach_who_comes_late_and_a_signal_ends_it(node, probe):
    heard = []
    probe.node.create_subscription(LabelInfo, "action/label_info", heard.append, qos.latched_qos())
    probe.spin_until(lambda: heard)
    names = {item.class_id: item.class_name for item in heard[0].class_map}
    assert names == {0: "left", 1: "right", 2: "still", 255: "unknown"}
    assert node.stop(signal.SIGINT, 2) == 0
    assert "Traceback" not in node.output


def test_a_model_of_the_other_sense_is_refused_in_one_line(start):
    process = start("-m", "halsie_ros.nodes.action", "--ros-args", "-p", "model:=halsie_scene")
    assert process.wait() == 1
    assert process.output == (
        "action: halsie_scene is a segmentation model: choose one for actions, such as actions_mhad\n"
    )


def test_both_senses_run_in_one_process_and_neither_is_left_when_one_cannot_start(start, probe, model):
    process = start("-m", "halsie_ros.nodes.perception", "--ros-args", "-p", f"action:model:={model}")
    probe.spin_until(lambda: {"segmentation: segmentation", "action: action"} <= set(probe.diagnostics))
    assert process.stop(signal.SIGTERM, 2) == 0
    refused = start("-m", "halsie_ros.nodes.perception", "--ros-args", "-p", "action:confidence:=7.0")
    assert refused.wait() == 1
    assert refused.output.splitlines()[-1] == "perception: parameter confidence is 7.0: give a value from -1 to 1"
