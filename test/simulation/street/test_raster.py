"""The rasteriser against pictures drawn by hand."""

import numpy as np

from halsie_ros.simulation.street import raster
from halsie_ros.simulation.street.mesh import Mesh
from halsie_ros.simulation.street.textures import OFFSETS, PLACES, make_atlas

# Looks along +x from the origin, right is -y, down is -z; 16 x 16 samples, focal length 8, principal point (8, 8).
CAMERA = np.array([0, 0, 0, 0, -1, 0, 0, 0, -1, 1, 0, 0, 8, 8, 8], float)


def wall(x, y0, y1, z0, z1, texture=0, flags=0):
    mesh = Mesh()
    mesh.polygon([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)], texture, 1, flags=flags, outward=(-1, 0, 0))
    return mesh.polygons


def drawn(*parts, far_m=100.0, atlas=None):
    polygons = raster.Polygons(*(np.concatenate(fields) for fields in zip(*parts)))
    depth, ident = np.zeros((16, 16), np.float32), np.full((16, 16), -1, np.int32)
    linear = np.zeros((len(polygons.used), 11), np.float32)
    atlas = np.full((1, 21845), 0xFFFFFFFF, np.uint32) if atlas is None else atlas
    raster.draw(polygons, 0, len(polygons.used), CAMERA, far_m, atlas, OFFSETS, depth, ident, linear)
    return depth, ident, linear


def test_a_wall_covers_the_samples_that_it_projects_to():
    # y from -1 to 1 at x = 4: columns 8 - 8 / 4 = 6 to 10; z from 0 to 2: rows 4 to 8.
    depth, ident, _ = drawn(wall(4.0, -1, 1, 0, 2))
    expected = np.zeros((16, 16), bool)
    expected[4:8, 6:10] = True
    assert np.array_equal(ident == 0, expected)
    assert np.allclose(depth[expected], 0.25)


def test_the_nearer_wall_wins_in_either_order():
    for parts in (
        (wall(4.0, -9, 9, -9, 9), wall(8.0, -9, 9, -9, 9)),
        (wall(8.0, -9, 9, -9, 9), wall(4.0, -9, 9, -9, 9)),
    ):
        depth, _, _ = drawn(*parts)
        assert np.allclose(depth, 0.25)


def test_a_decal_wins_against_the_wall_it_lies_on():
    _, ident, _ = drawn(wall(4.0, -1, 1, -1, 1, flags=raster.DECAL), wall(4.0, -9, 9, -9, 9))
    assert np.array_equal(ident == 0, np.pad(np.ones((4, 4), bool), 6))


def test_backs_are_not_seen_unless_two_sided():
    mesh = Mesh()
    corners = [(4, -9, -9), (4, 9, -9), (4, 9, 9), (4, -9, 9)]
    mesh.polygon(corners, 0, 1, outward=(1, 0, 0))
    assert np.all(drawn(mesh.polygons)[1] == -1)
    mesh.polygon(corners, 0, 1, flags=raster.TWO_SIDED, outward=(1, 0, 0))
    assert np.all(drawn(mesh.polygons)[1] == 1)


def test_nothing_is_drawn_behind_the_camera_or_beyond_the_far_distance():
    assert np.all(drawn(wall(-4.0, -9, 9, -9, 9))[1] == -1)
    assert np.all(drawn(wall(40.0, -90, 90, -90, 90), far_m=30.0)[1] == -1)


def test_ground_that_passes_below_the_camera_is_clipped_at_the_lens():
    mesh = Mesh()
    mesh.polygon([(-20, -50, -1), (50, -50, -1), (50, 50, -1), (-20, 50, -1)], 0, 5, outward=(0, 0, 1))
    depth, ident, _ = drawn(mesh.polygons)
    # A row's middle at 8 + d looks down by d / 8: it meets the ground 8 / d away.
    assert np.all(ident[:8] == -1) and np.all(ident[9:] == 0)
    assert np.allclose(depth[15], 7.5 / 8)


def test_texture_coordinates_run_from_the_first_corner():
    _, _, linear = drawn(wall(4.0, 1, -1, 0, 2))
    row = linear[0]
    # Column 6 is y = 1, the first corner; row 8 is z = 0. One metre is 2 samples there.
    for x, y, u, v in ((6, 8, 0, 0), (10, 8, 2, 0), (6, 4, 0, 2)):
        inverse = row[0] * x + row[1] * y + row[2]
        assert np.isclose((row[3] * x + row[4] * y + row[5]) / inverse, u, atol=1e-5)
        assert np.isclose((row[6] * x + row[7] * y + row[8]) / inverse, v, atol=1e-5)


def test_cutouts_follow_the_mask_of_their_texture():
    atlas = make_atlas(0)
    texture = PLACES["disc"][0]
    _, ident, _ = drawn(wall(1.0, -1, 1, -1, 1, texture, raster.CUTOUT), atlas=atlas)
    # One texture per metre makes four discs, 8 samples wide, that meet in the middle.
    assert ident[4, 4] == 0 and ident[12, 4] == 0 and ident[8, 8] == -1 and ident[0, 0] == -1


def test_shadows_mark_ground_only_where_it_is_seen():
    camera = CAMERA.copy()
    camera[2] = 1.0  # one metre above the ground
    mask = np.zeros((16, 16), np.uint8)
    shape = np.zeros((1, 6, 3), np.float32)
    shape[0, :4, :2] = [(1, -0.5), (2, -0.5), (2, 0.5), (1, 0.5)]
    raster.draw_shadows(shape, np.array([4], np.int32), camera, mask)
    # x from 1 to 2 m ahead: rows 16 down to 12; at row 12.5 (1.78 m) half a metre is 2.25 samples.
    assert mask[:12].sum() == 0 and mask[12, 6:10].all() and mask[12].sum() == 4 and mask[15].sum() == 8
