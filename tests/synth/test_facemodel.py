import numpy as np
import pytest

from mien.synth.facemodel import Normals, offsets, subset
from mien.synth.ict import IctFace, _read_checkout
from tests.synth.made_up import MadeUpFace


def test_normals_of_a_pyramid_point_outwards_and_are_area_weighted():
    vertices = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, -1, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]], np.int32)
    found = Normals(triangles, 4)(vertices)
    a, b, c = (
        np.cross(vertices[t[1]] - vertices[t[0]], vertices[t[2]] - vertices[t[0]])
        for t in triangles
    )
    total = a + b + c
    np.testing.assert_allclose(found[0], total / np.linalg.norm(total), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_normals_refuse_a_vertex_without_a_triangle():
    with pytest.raises(ValueError, match="no triangle"):
        Normals(np.array([[0, 1, 2]], np.int32), 4)


def test_subset_renumbers_and_drops_what_no_triangle_needs():
    keep = np.array([True, True, False, True, True])
    triangles = np.array([[0, 1, 2], [1, 3, 4]])
    values = np.arange(5)
    left, (kept,), number = subset(keep, triangles, values)
    np.testing.assert_array_equal(left, [[0, 1, 2]])
    np.testing.assert_array_equal(kept, [1, 3, 4])  # 0 lost its only triangle
    np.testing.assert_array_equal(number, [-1, 0, -1, 1, 2])


def test_offsets_take_an_action_in_whatever_halves_the_mesh_has_it():
    mesh = MadeUpFace().mesh
    name = next(n for n in mesh.action_names if n.endswith("Left"))
    own = mesh.actions[mesh.action_names.index(name)]
    np.testing.assert_allclose(offsets(mesh, {name: 0.5}), 0.5 * own)
    whole = next(n for n in mesh.action_names if not n.endswith(("Left", "Right")))
    moved = mesh.actions[mesh.action_names.index(whole)]
    np.testing.assert_allclose(offsets(mesh, {whole + "Left": 1.0}), 0.5 * moved)
    both = offsets(mesh, {whole + "Left": 0.4, whole + "Right": 0.4})
    np.testing.assert_allclose(both, 0.4 * moved, atol=1e-6)
    with pytest.raises(ValueError, match="tongueOutest"):
        offsets(mesh, {"tongueOutest": 1.0})


def write_obj(path, vertices, faces):
    lines = [f"v {x} {y} {z}" for x, y, z in vertices]
    lines += ["vt 0 0", *("f " + " ".join(f"{i + 1}/1/1" for i in face) for face in faces)]
    path.write_text("\n".join(lines))


def test_a_checkout_of_ict_is_read_polygon_by_polygon(tmp_path):
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    write_obj(tmp_path / "generic_neutral_mesh.obj", square, [[0, 1, 2, 3]])
    write_obj(tmp_path / "browDown_L.obj", square + np.array([0, -1, 0]), [[0, 1, 2, 3]])
    write_obj(tmp_path / "identity000.obj", square * 2, [[0, 1, 2, 3]])
    neutral, triangles, actions, names, identity = _read_checkout(tmp_path)
    np.testing.assert_array_equal(triangles, [[0, 1, 2], [0, 2, 3]])
    assert names == ["browDown_L"]
    np.testing.assert_allclose(actions[0], np.tile([0, -1, 0], (4, 1)))
    np.testing.assert_allclose(identity[0], neutral)


def test_what_is_no_ict_says_what_was_looked_for(tmp_path):
    with pytest.raises(ValueError, match="git clone"):
        IctFace(tmp_path)
    (tmp_path / "generic_neutral_mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(ValueError, match="identity"):
        IctFace(tmp_path)
    np.savez(tmp_path / "other.npz", neutral=np.zeros(3))
    with pytest.raises(ValueError, match="lacks"):
        IctFace(tmp_path / "other.npz")
