import numpy as np

from halsie_ros.events import Events
from halsie_ros.segmentation.overlay import colorize, draw_events, overlay

PALETTE = np.array([[0, 0, 0], [100, 150, 200]], np.uint8)


def test_ids_take_their_colours_and_unknown_ids_are_black():
    picture = colorize(np.array([[0, 1, 255]], np.uint8), PALETTE)
    assert picture.tolist() == [[[0, 0, 0], [100, 150, 200], [0, 0, 0]]]


def test_an_overlay_is_half_frame_and_half_colour_but_for_what_has_none():
    frame = np.array([[[200, 100, 50], [200, 100, 50]]], np.uint8)
    assert overlay(frame, np.array([[1, 255]], np.uint8), PALETTE).tolist() == [[[150, 125, 125], [200, 100, 50]]]


def test_grey_frames_serve_and_opacity_holds():
    frame = np.array([[80, 80]], np.uint8)
    mask = np.array([[1, 1]], np.uint8)
    assert overlay(frame, mask, PALETTE, 0.0).tolist() == [[[80, 80, 80]] * 2]
    assert overlay(frame, mask, PALETTE, 1.0).tolist() == [[[100, 150, 200]] * 2]


def test_of_two_events_on_a_pixel_the_newer_shows():
    picture = draw_events(Events.of([0, 0, 1], [0, 0, 1], [1, 2, 3], [1, 0, 1]), 2, 2)
    off, on = picture[0, 0].tolist(), picture[1, 1].tolist()
    assert off[2] > off[0] and on[0] > on[2] and picture[0, 1].tolist() == [128, 128, 128]
