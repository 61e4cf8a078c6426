"""What the builder makes of corners, ribbons and shadows."""

import numpy as np

from halsie_ros.simulation.street.mesh import Mesh, concatenate
from halsie_ros.simulation.street.raster import Polygons, face_camera


def test_a_polygon_has_its_plane_and_texture_axes():
    mesh = Mesh()
    mesh.polygon(
        [(1, 0, 0), (1, 2, 0), (1, 2, 3), (1, 0, 3)], 7, 4, (0.1, 0.2, 0.3), 8, along=0.5, up=2.0, shift=(10, 0)
    )
    part = mesh.polygons
    assert part.used.tolist() == [4] and part.kind.tolist() == [[7, 4, 8]]
    assert np.allclose(part.normal, [[1, 0, 0]])
    # u = 10 + y / 2, v = 2 z
    assert np.allclose(part.u_axis, [[0, 0.5, 0, 10]]) and np.allclose(part.v_axis, [[0, 0, 2, 0]])


def test_outward_turns_the_normal():
    mesh = Mesh()
    mesh.polygon([(1, 0, 0), (1, 2, 0), (1, 2, 3), (1, 0, 3)], 0, 0, outward=(-1, 0, 0.2))
    assert np.allclose(mesh.polygons.normal, [[-1, 0, 0]])


def test_a_shape_is_turned_and_moved_with_its_texture():
    shape = Mesh()
    shape.polygon([(1, 0, 0), (1, 2, 0), (1, 2, 3), (1, 0, 3)], 0, 0)
    mesh = Mesh()
    mesh.place(shape.polygons, np.array([10.0, 20.0, 0.0]), np.pi / 2)  # x becomes y, y becomes -x
    part = mesh.polygons
    assert np.allclose(part.corners[0, 1], [8, 21, 0], atol=1e-5) and np.allclose(part.normal, [[0, 1, 0]], atol=1e-6)
    assert np.isclose(part.u_axis[0, :3] @ part.corners[0, 1] + part.u_axis[0, 3], 2.0, atol=1e-5)


def test_a_ribbon_turns_its_face_to_the_camera():
    mesh = Mesh()
    mesh.ribbon((4, 0, -1), (4, 0, 1), 0.5, 3, 2)
    out = Polygons.zeros(1)
    camera = np.array([0, 0, 0, 0, -1, 0, 0, 0, -1, 1, 0, 0, 8, 8, 8], float)
    assert face_camera(mesh.ribbons, camera, out, 0) == 1
    assert np.allclose(out.normal, [[-1, 0, 0]])
    assert sorted(map(tuple, out.corners[0, :4].tolist())) == [(4, -0.5, -1), (4, -0.5, 1), (4, 0.5, -1), (4, 0.5, 1)]


def test_a_block_throws_its_shadow_away_from_the_sun():
    mesh = Mesh()
    footprint = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)
    mesh.cast(footprint, 2.0, np.array([0.6, 0.0, 0.8]))  # 2 m high: 1.5 m of shadow towards -x
    shapes, counts = mesh.shadows
    assert len(counts) == 6 and np.all(counts == 4)
    assert shapes[..., 0].min() == -1.5 and shapes[..., 0].max() == 1 and np.all(shapes[..., 2] == 0)


def test_parts_join_in_order():
    one, two = Mesh(), Mesh()
    one.polygon([(1, 0, 0), (1, 2, 0), (1, 2, 3)], 0, 1)
    two.polygon([(1, 0, 0), (1, 2, 0), (1, 2, 3)], 0, 2)
    assert concatenate([one.polygons, two.polygons]).kind[:, 1].tolist() == [1, 2]
    assert len(Mesh().polygons.used) == 0 and len(Mesh().ribbons.radius) == 0
