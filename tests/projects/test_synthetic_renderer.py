"""The renderer of synthetic nuScenes: geometry, occlusion, determinism."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import box as rectangle

from projects.SyntheticNuScenes.synthetic_nuscenes import lidar
from projects.SyntheticNuScenes.synthetic_nuscenes.calibration import LIDAR
from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import CLASS_NAMES, class_id
from projects.SyntheticNuScenes.synthetic_nuscenes.ground_view import pixel_rays, view_ground
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapBuilder
from projects.SyntheticNuScenes.synthetic_nuscenes.renderer import LOOKS, render
from projects.SyntheticNuScenes.synthetic_nuscenes.structures import Box, Camera
from projects.SyntheticNuScenes.synthetic_nuscenes.terrain import Terrain
from projects.SyntheticNuScenes.synthetic_nuscenes.world import World

FOCAL, HEIGHT, WIDTH, ABOVE = 278.0, 128, 352, 1.6
CENTRE = (176.0, 20.0)
CROSSING = (34.0, 25.5, 37.0, 34.5)  # x0, y0, x1, y1
DIVIDER_Y = 31.0


def hand_made_map() -> dict:
    """A straight road along x with one solid divider and one crossing:

    ```
    y 35 ───────────────────────────  border
    y 31 ━━━━━━━━━━━━━━━━━━━━━━━━━━━  divider
    y 30 camera at x 20, looking to +x   ║ crossing, x 34 to 37
    y 25 ───────────────────────────  border
    ```
    """
    builder = MapBuilder('hand', (80, 60))
    builder.add('drivable_area', polygon_tokens=[builder.polygon(rectangle(0, 25, 80, 35))])
    x = np.arange(0, 81, 8.0)
    line = builder.line(np.stack([x, np.full_like(x, DIVIDER_Y)], 1))
    segments = builder.segments(line, ['SINGLE_SOLID_WHITE'] * len(x))
    builder.add('lane_divider', line_token=line, lane_divider_segments=segments)
    builder.add('ped_crossing', polygon_token=builder.polygon(rectangle(*CROSSING)), road_segment_token='')
    return builder.content


def camera(name: str = 'CAM_FRONT', yaw: float = 0.0) -> Camera:
    pose = np.eye(4)
    cos, sin = np.cos(yaw), np.sin(yaw)
    pose[:3, :3] = np.array([[sin, 0, cos], [-cos, 0, sin], [0, -1, 0]])
    pose[:3, 3] = 20, 30, ABOVE
    intrinsics = np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    return Camera(name, intrinsics, pose, HEIGHT, WIDTH)


def pixel_of(x: float, y: float, z: float = 0.0) -> tuple[float, float]:
    """The pinhole formula by hand for the camera above: depth x - 20, right of it 30 - y, below it 1.6 - z."""
    depth = x - 20
    return CENTRE[0] + FOCAL * (30 - y) / depth, CENTRE[1] + FOCAL * (ABOVE - z) / depth


def car(x: float, y: float) -> Box:
    return Box(np.array([x, y, 0.8]), (4.4, 1.9, 1.6), 0.0, 'vehicle.car', 3, (0.0, 0.0), 0)


@pytest.fixture(scope='module')
def plain_world() -> World:
    return World(hand_made_map(), seed=1, distractors=False, worn=False)


@pytest.fixture(scope='module')
def plain(plain_world: World) -> tuple[np.ndarray, np.ndarray]:
    return render(plain_world, camera(), [], 'day')


def test_the_divider_is_where_the_pinhole_formula_puts_it(plain):
    ids = plain[1]
    for x in (25.0, 28.0, 30.0):
        u, v = pixel_of(x, DIVIDER_Y)
        row = int(v)
        depth = FOCAL * ABOVE / (row + 0.5 - CENTRE[1])  # of the row's middle
        expected = CENTRE[0] - FOCAL * (DIVIDER_Y - 30) / depth
        columns = np.flatnonzero(ids[row] == class_id('Lane Marking - Straight Line'))
        assert columns.size, f'no paint in row {row}, expected near column {u:.1f}'
        assert abs(columns.mean() + 0.5 - expected) < 0.6


def test_the_crossing_spans_the_rows_of_its_near_and_far_edge(plain):
    ids = plain[1]
    column = int(pixel_of(35.5, 30)[0])
    rows = np.flatnonzero(ids[:, column] == class_id('Lane Marking - Crosswalk'))
    assert abs(rows.max() + 1 - pixel_of(CROSSING[0], 30)[1]) < 0.6
    assert abs(rows.min() - pixel_of(CROSSING[2], 30)[1]) < 0.6
    middle = (rows.min() + rows.max()) // 2
    columns = np.flatnonzero(ids[middle] == class_id('Lane Marking - Crosswalk'))
    depth = FOCAL * ABOVE / (middle + 0.5 - CENTRE[1])
    assert abs(columns.min() - (CENTRE[0] - FOCAL * 4.5 / depth)) < 1.1


def test_paint_is_brighter_than_the_road_where_the_class_map_says_so(plain):
    image, ids = plain
    grey = image.astype(float).mean(2)
    line = ids == class_id('Lane Marking - Straight Line')
    road = ids == class_id('Road')
    line[:50], road[:50] = False, False
    assert np.percentile(grey[line], 10) > np.percentile(grey[road], 95)


def test_a_lidar_sees_paint_by_its_brightness(plain_world):
    """The crossing and the divider throw back more than the road between them."""
    pose = LIDAR.sensor2ego.copy()
    pose[:2, 3] += 20, 30
    result = lidar.scan(pose, [], Terrain('flat', 0), np.random.default_rng(0), plain_world.ground)
    points = result.points[:, :3] @ pose[:3, :3].T + pose[:3, 3]
    cover = plain_world.ground.sample(0, points[None, :, :2])[0][0, :, 3]
    painted, bare = result.points[cover > 200, 3], result.points[cover < 20, 3]
    assert len(painted) > 20 and painted.min() > bare.max()


def test_left_of_the_vehicle_is_left_in_the_image(plain_world):
    ids = render(plain_world, camera(), [car(32, 33)], 'day')[1]
    columns = np.nonzero(ids == class_id('Car'))[1]
    assert columns.max() < CENTRE[0]
    assert abs(columns.min() - pixel_of(32 - 2.2, 33.95)[0]) < 2.5


def test_a_box_hides_the_ground_behind_it_and_none_before_it(plain_world, plain):
    """The box stands between the camera and the crossing, over its whole middle."""
    ids = render(plain_world, camera(), [car(30, 30)], 'day')[1]
    u, v = pixel_of(36.0, 30.0)
    assert plain[1][int(v), int(u)] == class_id('Lane Marking - Crosswalk')
    assert ids[int(v), int(u)] == class_id('Car')
    before = int(np.ceil(pixel_of(27.0, 30.0)[1]))
    assert np.array_equal(ids[before:], plain[1][before:])


def test_boxes_are_painted_far_to_near_and_not_seen_behind_the_camera(plain_world, plain):
    near, far = car(30, 30), Box(np.array([36, 30, 1.6]), (8.0, 2.5, 3.2), 0.0, 'vehicle.truck', 5, (0.0, 0.0), 1)
    for boxes in ([near, far], [far, near]):
        ids = render(plain_world, camera(), boxes, 'day')[1]
        u, v = pixel_of(28.0, 30.0, 0.7)
        assert ids[int(v), int(u)] == class_id('Car')
        assert (ids == class_id('Truck')).any()
    assert np.array_equal(render(plain_world, camera(), [car(12, 30)], 'day')[1], plain[1])


def test_a_box_that_reaches_behind_the_near_plane_is_cut_not_mirrored(plain_world):
    wall = Box(np.array([20.0, 33.0, 2.0]), (30.0, 1.0, 4.0), 0.0, 'static.building', 2, (0.0, 0.0), 0)
    ids = render(plain_world, camera(), [wall], 'day')[1]
    columns = np.nonzero(ids == class_id('Building'))[1]
    assert ids[100, 2] == class_id('Building')
    assert not (ids[HEIGHT // 2 :, int(CENTRE[0]) + 5 :] == class_id('Building')).any()
    assert columns.size > 1000


def test_the_same_seed_gives_the_same_picture_and_looks_differ():
    boxes = [car(32, 28)]
    first, again = (World(hand_made_map(), seed=4) for _ in range(2))
    images = [render(first, camera(), boxes, look) for look in LOOKS]
    for (image, ids), look in zip(images, LOOKS, strict=True):
        image_again, ids_again = render(again, camera(), boxes, look)
        assert np.array_equal(image, image_again) and np.array_equal(ids, ids_again)
        assert np.array_equal(ids, images[0][1]), 'light does not change what is there'
    for i in range(len(LOOKS)):
        for j in range(i):
            assert np.abs(images[i][0].astype(float) - images[j][0]).mean() > 8


def test_rays_meet_uneven_ground_at_its_height():
    world = World(hand_made_map(), seed=1, terrain=Terrain('hilly', 3))
    pose = camera().cam2world.copy()
    pose[2, 3] += world.heights.terrain.height(pose[:2, 3])
    seeing = Camera('CAM_FRONT', camera().cam2img, pose, HEIGHT, WIDTH)
    view = view_ground(world.ground, seeing, world.heights)
    rays = pixel_rays(seeing, np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    hit = pose[:3, 3] + rays * np.where(view.visible, view.depth, 0)[..., None]
    near = view.visible & (view.depth < 40)
    assert near.sum() > 0.6 * near.size
    assert np.abs(hit[..., 2] - world.heights.terrain.height(hit[..., :2]))[near].max() < 0.02


def test_an_empty_map_is_terrain_and_sky():
    world = World(MapBuilder('empty', (10, 10)).content, seed=0)
    image, ids = render(world, camera(), [], 'wet')
    assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
    assert {CLASS_NAMES[i] for i in np.unique(ids)} <= {'Terrain', 'Sky', 'Vegetation', 'Building'}


def test_the_ego_body_is_in_the_rear_camera_only(plain_world):
    intrinsics = np.array([[178.0, 0, 176], [0, 178.0, 36], [0, 0, 1]])
    rear = Camera('CAM_BACK', intrinsics, camera(yaw=np.pi).cam2world, HEIGHT, WIDTH)
    ids = render(plain_world, rear, [], 'day')[1]
    assert (ids[-1] == class_id('Ego Vehicle')).all()
    assert not (ids[:100] == class_id('Ego Vehicle')).any()
    front = Camera('CAM_FRONT', rear.cam2img, rear.cam2world, HEIGHT, WIDTH)
    assert not (render(plain_world, front, [], 'day')[1] == class_id('Ego Vehicle')).any()


def test_there_are_124_classes_and_each_name_once():
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 124
