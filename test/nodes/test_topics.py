"""Types of the graph by their own definition, and what diagnostics say of the senses' clocks."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
from halsie_ros.events import Events
from halsie_ros.events.messages import EventTopicDecoder, carries_events, encode_event_array, encode_event_packet
from halsie_ros.nodes import diagnostics
from halsie_ros.nodes.segmentation_stream import offset_complaint
from halsie_ros.nodes.topics import definition_of

EVENTS = Events.of([1, 2], [3, 4], [1_000_000, 1_000_010], [1, 0])


@pytest.mark.parametrize("name", ["dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray"])
def test_an_array_type_is_known_by_the_definition_of_its_installed_class(name):
    definition = definition_of(name)
    assert definition is not None and carries_events("somebody_msgs/msg/Events", "cdr", definition)
    decoder = EventTopicDecoder("somebody_msgs/msg/Events", definition=definition)
    found = decoder.push(encode_event_array(EVENTS, width=8, height=8, stamp_ns=5, frame_id="camera"))
    assert found.events.t_us.tolist() == EVENTS.t_us.tolist() and found.events.polarity.tolist() == [True, False]


def test_a_packet_type_is_known_by_the_definition_of_its_installed_class():
    decoder = EventTopicDecoder(
        "event_array_msgs/msg/EventArray", definition=definition_of("event_camera_msgs/msg/EventPacket")
    )
    payload = encode_event_packet(EVENTS, encoding="evt3", width=8, height=8, stamp_ns=5, frame_id="c", seq=1)
    assert decoder.push(payload).events.x.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "std_msgs/msg/String"])
def test_other_types_of_the_graph_are_no_events(name):
    definition = definition_of(name)
    assert definition and not carries_events(name, "cdr", definition)
    assert definition_of("nobody_msgs/msg/Nothing") is None


@pytest.mark.parametrize(
    ("offset_ms", "said"),
    [
        (-900, "events lie 900 ms behind the images"),
        (-80, "event_offset_ms (80)"),
        (-30, ""),
        (0, ""),
        (150, ""),
        (300, "events lie 300 ms ahead of the images"),
        (7_200_000, "events lie 7200.0 s ahead of the images"),
    ],
)
def test_an_offset_that_harms_is_said_with_the_number_that_mends_it(offset_ms, said):
    found = offset_complaint(offset_ms * 1000, 20_000)
    assert said in found and bool(said) == bool(found)


def test_a_warning_of_the_node_stands_before_what_else_is_wrong_and_never_hides_an_error():
    assert diagnostics.warned(diagnostics.OK, "", "odd") == (diagnostics.WARN, "odd")
    assert diagnostics.warned(diagnostics.WARN, "2 publishers", "odd") == (diagnostics.WARN, "odd; 2 publishers")
    assert diagnostics.warned(diagnostics.ERROR, "broken", "odd") == (diagnostics.ERROR, "broken")
    assert diagnostics.warned(diagnostics.OK, "", "") == (diagnostics.OK, "")
