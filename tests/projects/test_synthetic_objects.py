"""Meshes, their projection and the order of painting."""

from __future__ import annotations

import numpy as np
import pytest

from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import CLASS_NAMES
from projects.SyntheticNuScenes.synthetic_nuscenes.mesh import disc, inset
from projects.SyntheticNuScenes.synthetic_nuscenes.painting_order import hides, painting_order
from projects.SyntheticNuScenes.synthetic_nuscenes.projection import clip_near
from projects.SyntheticNuScenes.synthetic_nuscenes.scenery_meshes import mesh_of
from projects.SyntheticNuScenes.synthetic_nuscenes.structures import Box

SIZES = {
    'vehicle.car': (4.4, 1.9, 1.6),
    'vehicle.truck': (8.0, 2.5, 3.3),
    'vehicle.bus.rigid': (11.0, 2.9, 3.4),
    'vehicle.bicycle': (1.8, 0.6, 1.6),
    'vehicle.motorcycle': (2.1, 0.8, 1.5),
    'human.pedestrian.adult': (0.7, 0.7, 1.75),
    'movable_object.trafficcone': (0.4, 0.4, 0.8),
    'movable_object.barrier': (0.6, 2.0, 1.0),
    'static.building': (20.0, 12.0, 9.0),
    'static.tree': (4.0, 4.0, 7.0),
    'static.pole': (0.2, 0.2, 8.0),
}


def box(x: float, y: float, size=(4.4, 1.9, 1.6), yaw: float = 0.0, category: str = 'vehicle.car', moving=False) -> Box:
    return Box(np.array([x, y, size[2] / 2]), size, yaw, category, 7, (5.0 * moving, 0.0), 0)


@pytest.mark.parametrize('category', SIZES)
def test_every_mesh_stays_near_its_box_and_faces_outwards(category):
    for moving in (False, True):
        mesh = mesh_of(box(0, 0, SIZES[category], category=category, moving=moving))
        length, width, height = SIZES[category]
        points = [p.polygons.reshape(-1, 3) for p in mesh.patches] + [mesh.blobs[:, :3]]
        points = np.concatenate(points)
        slack = 1.7 if category == 'static.pole' else 0.25  # a lamp reaches over the road
        assert np.abs(points[:, 0]).max() <= length / 2 + slack and np.abs(points[:, 1]).max() <= width / 2 + slack
        assert points[:, 2].min() >= -0.02 and points[:, 2].max() <= height + 0.05
        assert {p.class_name for p in mesh.patches} | {mesh.blob_class} <= set(CLASS_NAMES)
        for patch in mesh.patches:
            outward = patch.polygons[0].mean(0) - [0, 0, height / 2]
            if category == 'vehicle.car' and not patch.two_sided and patch.layer in (0, 3):
                assert patch.normal @ outward > -0.3


def test_a_box_of_the_same_size_and_seed_looks_the_same():
    assert mesh_of(box(0, 0)) is mesh_of(box(30, 2))


def test_inset_is_the_middle_part_of_a_face():
    face = np.array([[0, 0, 0], [4, 0, 0], [4, 0, 2], [0, 0, 2]], float)
    part = inset(face, (0.25, 0.75), (0.5, 1.0), lift=0.1)
    assert np.allclose(part, [[1, -0.1, 1], [3, -0.1, 1], [3, -0.1, 2], [1, -0.1, 2]])


def test_discs_face_the_side_that_they_are_on():
    for left in (True, False):
        a, b, c = disc(0, 0, 0, 1, left=left)[:3]
        assert (np.cross(b - a, c - b)[1] > 0) == left


def test_clipping_cuts_at_the_near_plane():
    square = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 3], [-1, 0, 3]], float)
    cut = clip_near(square, near=0.5)
    assert len(cut) == 4 and cut[:, 2].min() == pytest.approx(0.5) and cut[:, 2].max() == 3
    assert len(clip_near(square - [0, 0, 9])) == 0


def test_a_building_hides_what_is_behind_it_and_not_what_is_beside_it():
    building = box(10, 0, (6.0, 4.0, 9.0), category='static.building')
    targets = np.array([[20, 0], [20, 9], [6, 0], [10, 5.0]])
    assert hides([building], np.zeros(2), targets).tolist() == [[True, False, False, False]]


def test_a_tree_before_the_far_end_of_a_long_building_is_painted_after_it():
    """The building runs along the line of sight: its mean depth, 20, is less than the tree's, 30.

    ```
    eye (0, 0) →              tree (30, 3)
                 [ building from x 5 to 35, y 4 to 8 ]      hidden tree (30, 12)
    ```
    """
    building = box(20, 6, (30.0, 4.0, 9.0), category='static.building')
    tree, hidden = (box(30, y, (2.0, 2.0, 5.0), category='static.tree') for y in (3, 12))
    assert painting_order([tree, building, hidden], np.array([30.0, 20.0, 30.0]), np.zeros(2)) == [2, 1, 0]


def test_small_boxes_are_painted_by_depth():
    boxes = [box(x, 0) for x in (10, 30, 20)]
    assert painting_order(boxes, np.array([10.0, 30.0, 20.0]), np.zeros(2)) == [1, 2, 0]
