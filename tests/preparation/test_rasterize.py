import json

import numpy as np
import pytest
import shapely
import torch
from shapely.geometry import LineString, Point, Polygon
from tiny_nuscenes import crossroads_map

from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.map_geometry import BASE_CLASSES, ClassSpec, MapGeometry
from ssl_bev.preparation.map_ground import MapGround
from ssl_bev.preparation.rasterize import MapRasterizer

GRID = BEVGrid((-30, 30), (-15, 15), 0.25)
FINE = BEVGrid((-10, 10), (-10, 10), 0.02)
LEVEL = np.eye(4)


def map_of(*shapes):
    """A map whose layer `walkway` holds polygons, and `lane_divider` lines."""
    content = {name: [] for name in ('node', 'line', 'polygon', 'walkway', 'lane_divider')} | {'version': '1.3'}

    def nodes(points):
        tokens = [f'n{len(content["node"]) + i}' for i in range(len(points))]
        content['node'] += [{'token': t, 'x': x, 'y': y} for t, (x, y) in zip(tokens, points, strict=True)]
        return tokens

    for i, shape in enumerate(shapes):
        if isinstance(shape, LineString):
            content['line'].append({'token': f'l{i}', 'node_tokens': nodes(list(shape.coords))})
            content['lane_divider'].append({'token': f'r{i}', 'line_token': f'l{i}'})
        else:
            holes = [{'node_tokens': nodes(ring.coords[:-1])} for ring in shape.interiors]
            exterior = nodes(shape.exterior.coords[:-1])
            content['polygon'].append({'token': f'p{i}', 'exterior_node_tokens': exterior, 'holes': holes})
            content['walkway'].append({'token': f'r{i}', 'polygon_token': f'p{i}'})
    return MapGeometry(content)


def draw(geometry, kind='area', pose=LEVEL, grid=FINE, line_width=0.5):
    spec = ClassSpec('c', ['lane_divider' if kind == 'line' else 'walkway'], kind)
    return MapRasterizer(geometry, grid, [spec], line_width)(pose, LEVEL)[0]


def area(cells, grid=FINE):
    return cells.sum() * grid.cell_size**2


def pose(x, y, yaw):
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def test_disc_has_its_area():
    disc = Point(0.3, -0.2).buffer(4, quad_segs=64)
    assert area(draw(map_of(disc))) == pytest.approx(np.pi * 16, rel=0.01)


@pytest.mark.parametrize('width', [0.3, 0.5, 0.75])
def test_line_is_a_capsule_of_its_width_in_metres(width):
    line = LineString([(-4, -3), (5, 2.2)])
    expected = line.length * width + np.pi * width**2 / 4
    assert area(draw(map_of(line), 'line', line_width=width)) == pytest.approx(expected, rel=0.01)
    turned = draw(map_of(line), 'line', pose(0.4, 0.1, 0.7), line_width=width)
    assert area(turned) == pytest.approx(expected, rel=0.01)


def test_polygon_with_holes_has_its_area():
    shape = Polygon(
        [(-8, -7), (7, -6), (5, 8), (-6, 6)], [[(-3, -3), (-3, 1), (2, 1), (2, -3)], [(3, 3), (3, 4), (4, 4)]]
    )
    assert area(draw(map_of(shape))) == pytest.approx(shape.area, rel=0.01)


def test_cells_are_those_whose_centre_is_inside():
    """Random self-crossing and overlapping polygons against Shapely, cell by cell, at a turned pose."""
    rng = np.random.default_rng(0)
    for seed in range(10):
        raw = [Polygon(rng.uniform(-12, 12, (7, 2))) for _ in range(3)]
        frame = pose(1.3, -2.1, 0.37 * seed)
        found = draw(map_of(*raw), pose=frame, grid=GRID)
        centers = GRID.cell_centers().double().numpy() @ frame[:2, :2].T + frame[:2, 3]
        union = shapely.union_all([shapely.make_valid(polygon) for polygon in raw])
        expected = shapely.contains_xy(union, centers[..., 0], centers[..., 1])
        assert (found != expected).mean() < 1e-4  # a centre on an edge may fall on either side


def test_hole_is_filled_by_another_polygon():
    ring = Polygon([(-5, -5), (5, -5), (5, 5), (-5, 5)], [[(-2, -2), (-2, 2), (2, 2), (2, -2)]])
    plug = Polygon([(-3, -3), (3, -3), (3, 3), (-3, 3)])
    assert area(draw(map_of(ring))) == pytest.approx(84, rel=0.01)
    assert area(draw(map_of(ring, plug))) == pytest.approx(100, rel=0.01)


def test_boundary_follows_the_union():
    """Two squares side by side have one outline of 2 (6 + 3) m; corners are round outside."""
    squares = [Polygon([(x, 0), (x + 3, 0), (x + 3, 3), (x, 3)]) for x in (-3, 0)]
    expected = 18 * 0.2 - 4 * 0.01 + np.pi * 0.01  # at each corner the strips overlap inside, a quarter disc outside
    assert area(draw(map_of(*squares), 'boundary', line_width=0.2)) == pytest.approx(expected, rel=0.01)


def test_neighbour_that_covers_half_of_a_hole():
    """A 10 m square with a 4 m hole; its neighbour overlaps the square, and the hole by 4 m x 2 m."""
    ring = Polygon([(-5, -5), (5, -5), (5, 5), (-5, 5)], [[(-2, -2), (-2, 2), (2, 2), (2, -2)]])
    neighbour = Polygon([(-3, 0), (3, 0), (3, 8), (-3, 8)])
    assert area(draw(map_of(ring, neighbour))) == pytest.approx(100 - 16 + 4 * 2 + 6 * 3, rel=0.01)
    turned = draw(map_of(ring, neighbour), pose=pose(0.3, -0.2, 0.5))
    assert area(turned) == pytest.approx(110, rel=0.01)


def test_boundary_has_no_seams_but_holes_and_no_border_of_the_patch():
    """Squares 4 cm apart are one, 50 cm apart two; a hole has a boundary, the edge of the grid is none."""
    near, far = ([Polygon([(x, 0), (x + 3, 0), (x + 3, 3), (x, 3)]) for x in (-3, gap)] for gap in (0.04, 0.5))
    cell = FINE.xy_to_cell(torch.tensor([[0.02, 1.5], [0.25, 1.5], [0.02, 0.0]])).long()
    seam, between, outline = (tuple(c) for c in cell.flip(-1).tolist())
    drawn = draw(map_of(*near), 'boundary', line_width=0.2)
    assert (drawn[seam], drawn[outline]) == (False, True)
    assert area(drawn) == pytest.approx(18.08 * 0.2 + (np.pi - 4) * 0.01, rel=0.01)
    drawn = draw(map_of(*far), 'boundary', line_width=0.2)
    assert not drawn[between]
    assert area(drawn) == pytest.approx(2 * (12 * 0.2 + (np.pi - 4) * 0.01), rel=0.01)

    large = Polygon([(-50, -50), (50, -50), (50, 50), (-50, 50)], [[(-2, -2), (-2, 2), (2, 2), (2, -2)]])
    drawn = draw(map_of(large), 'boundary', line_width=0.2)
    # Around a hole the corners are sharp outside, that is inside the hole: strips overlap there, quarter discs beyond.
    assert area(drawn) == pytest.approx(16 * 0.2 + (np.pi - 4) * 0.01, rel=0.01)


def test_boundary_of_polygons_that_cross_themselves():
    bow = Polygon([(-4, -4), (4, 4), (4, -4), (-4, 4)])
    drawn = draw(map_of(bow), 'boundary', line_width=0.2)
    centre = FINE.shape[0] // 2
    assert drawn[centre, centre]
    assert area(drawn) == pytest.approx((2 * np.sqrt(128) + 16) * 0.2, rel=0.03)


def test_long_edges_are_the_two_long_sides_of_a_crossing():
    crossing = Polygon([(-4, -1), (4, -1), (4.2, 1.2), (-4, 1)])
    width = 0.4
    upper = np.hypot(8.2, 0.2)
    drawn = draw(map_of(crossing), 'long_edges', line_width=width)
    assert area(drawn) == pytest.approx((8 + upper) * width + 2 * np.pi * width**2 / 4, rel=0.01)
    assert not drawn[FINE.shape[0] // 2].any()


def test_divider_ahead_left_lies_at_high_column_and_row():
    r"""The ego car at (100, 100) looks along +x; the divider runs from (104, 103) to (112, 103).

    row 72 . . . . . . . . . . . . . ======      y = 3: (3 + 15) / 0.25 = 72
    row 60 . . . . . . . . . . E> . . . . .      x = 4 .. 12: columns 136 .. 168
    """
    masks = MapRasterizer(MapGeometry(crossroads_map()), GRID)(pose(100, 100, 0), LEVEL)
    rows, columns = np.nonzero(masks[1])
    assert (rows.min(), rows.max()) == (71, 72)
    assert (columns.min(), columns.max()) == (135, 168)  # a round end of a quarter metre on both sides
    # Turned left by 90 degrees, the car sees it ahead to the right: x = 3, y = -4 .. -12.
    masks = MapRasterizer(MapGeometry(crossroads_map()), GRID)(pose(100, 100, np.pi / 2), LEVEL)
    rows, columns = np.nonzero(masks[1])
    assert (rows.min(), rows.max()) == (11, 44)
    assert (columns.min(), columns.max()) == (131, 132)


def test_classes_keep_their_order_and_the_road_its_hole():
    masks = MapRasterizer(MapGeometry(crossroads_map()), GRID)(pose(100, 100, 0), LEVEL)
    assert [spec.name for spec in BASE_CLASSES][::4] == ['drivable_area', 'stop_line']
    areas = masks.sum((1, 2)) / 16
    np.testing.assert_allclose(areas[[0, 3, 4]], [60 * 20 - 5 * 4, 3 * 20, 10], rtol=0.001)
    assert areas[2] == pytest.approx((98 - 70) * 0.5 + np.pi / 32, rel=0.01)  # cut at the grid's edge


def test_lidar_frame_sees_the_same_ground():
    """In a frame that is raised and turned as a lidar, the labels turn with it."""
    lidar2ego = pose(0, 0, -np.pi / 2)
    lidar2ego[2, 3] = 1.84
    square = BEVGrid((-15, 15), (-15, 15), 0.25)
    rasterizer = MapRasterizer(MapGeometry(crossroads_map()), square)
    ego = rasterizer(pose(100, 100, 0), LEVEL)
    lidar = rasterizer(pose(100, 100, 0) @ lidar2ego, np.linalg.inv(lidar2ego))
    # The lidar's x looks right, its y forward: its cell (row r, column c) is the ego's (row -c, column r).
    assert (ego[:, ::-1].transpose(0, 2, 1) != lidar).mean() < 1e-4
    assert lidar[1].any()


def test_tilted_road_is_met_where_it_is():
    """With the BEV frame pitched down by 0.1 above the road, the cell at x = 10 lies at 10 / cos on the road."""
    road2bev = np.eye(4)
    road2bev[:3, :3] = [[np.cos(0.1), 0, np.sin(0.1)], [0, 1, 0], [-np.sin(0.1), 0, np.cos(0.1)]]
    affine = MapGround(np.linalg.inv(road2bev), road2bev).plane2map[:2]
    np.testing.assert_allclose(affine @ [10, 2, 1], [10 / np.cos(0.1), 2], atol=1e-9)


def test_large_shapes_are_kept_in_pieces_without_seams():
    """A star of 1200 points and a wavy line of 400: cell by cell as Shapely has them, from a few pieces nearby."""
    angle = np.linspace(0, 2 * np.pi, 1200, endpoint=False)
    radius = 60 + 20 * np.cos(40 * angle)
    star = Polygon(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), [[(1, 1), (1, 3), (3, 3), (3, 1)]])
    x = np.linspace(-60, 60, 400)
    wave = LineString(np.stack([x, 6 * np.sin(x / 4)], 1))
    geometry = map_of(star, wave)
    truth = {'area': star, 'line': wave.buffer(0.25)}
    shapely.prepare(list(truth.values()))
    for frame in (LEVEL, pose(-3.2, 4.1, 0.8), pose(40, 20, 2)):
        centers = GRID.cell_centers().double().numpy() @ frame[:2, :2].T + frame[:2, 3]
        for kind, shape in truth.items():
            expected = shapely.contains_xy(shape, centers[..., 0], centers[..., 1])
            assert expected.any()
            assert (draw(geometry, kind, frame, GRID) != expected).mean() < 1e-4
    for kind, layer in (('area', 'walkway'), ('line', 'lane_divider')):
        shapes = geometry.shapes(ClassSpec('c', [layer], kind), 0.5)
        assert 0 < len(shapes.near((50, -5, 60, 5))) < sum(map(len, shapes.edges)) / 2


def test_errors_name_class_layer_and_rule(tmp_path):
    geometry = MapGeometry(crossroads_map(), 'town.json')
    for spec, message in (
        (ClassSpec('a', ['carpark_area']), "class a: map town.json has no layer 'carpark_area'"),
        (
            ClassSpec('a', ['lane_divider']),
            "layer 'lane_divider' of map town.json holds lines, which does not fit kind 'area'",
        ),
        (ClassSpec('a', ['stop_line'], 'line'), "holds polygons, which does not fit kind 'line'"),
    ):
        with pytest.raises(ValueError, match=message):
            MapRasterizer(geometry, GRID, [spec])
    with pytest.raises(ValueError, match='line_width must be positive'):
        MapRasterizer(geometry, GRID, line_width=0)
    with pytest.raises(ValueError, match='class a: kind must be one of'):
        ClassSpec('a', ['lane'], 'dots')
    with pytest.raises(ValueError, match=r"class a: kind 'area' has no line_width, got 0\.5"):
        ClassSpec('a', ['lane'], line_width=0.5)
    with pytest.raises(ValueError, match='layers must be a list'):
        ClassSpec('a', 'lane')
    path = tmp_path / 'boston-seaport.json'
    with pytest.raises(FileNotFoundError, match=r'boston-seaport.json; unpack the nuScenes map expansion'):
        MapGeometry.read(path)
    path.write_text('{')
    with pytest.raises(ValueError, match='is no JSON'):
        MapGeometry.read(path)
    path.write_text(json.dumps(crossroads_map() | {'version': '1.2'}))
    with pytest.raises(ValueError, match=r'has version 1.2; version 1.3 is needed'):
        MapGeometry.read(path)
