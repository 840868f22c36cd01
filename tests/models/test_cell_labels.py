"""The boundary of the road: seen where it meets what is off the road, in pictures that are drawn by hand."""

import numpy as np
import pytest
import torch

from ssl_bev.geometry import BEVGrid
from ssl_bev.models import ReprojectionHead
from ssl_bev.models.objectives.cell_labels import area_in_cells, edge_in_cells, line_in_cells
from ssl_bev.pseudo_labels import LabelMap
from ssl_bev.targets import IGNORE, POSITIVE

NAMES = dict(s='Sidewalk', c='Curb', r='Road', m='Lane Marking - General', k='Car')
CLASSES = ('drivable', 'boundary')
# A camera 10 m above looks straight down; each letter is 40 x 40 cm, x to the right, y upwards.
PICTURE = """
ssssssssssssssss
ccccccccccccccss
rrrrrrrrrrrrrrcs
rrrrrrrrrrrrrrcs
mmrrmmrrmmrrmmcs
rrrrrkkkrrrrrrkk
rrrrrkkkrrrrrrkk
rrrrrkkkrrrrrrkk
"""
# + boundary, . none, ? nobody knows, of each cell of 40 cm, whose line of 0.6 m reaches 10 cm into its neighbours
BOUNDARY = """
................
+++++++++++++++.
+++++++++++++++.
.............++.
....?????....++?
....?????....++?
....?????....???
....?????....???
"""


def letters(picture):
    return np.array([list(line) for line in picture.split()])


@pytest.fixture
def camera():
    """10 m above the middle of the picture; a pixel of the labels is 10 cm of ground."""
    return torch.tensor([[100.0, 0, 32, 0], [0, 100, 16, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 10], [0, 0, 0, 1]]
    )


def on_ground(camera, picture, known='scrmk', width=0.6, cell_size=0.4):
    """Probability and weight of drivable and boundary, (2, H, W) each, the top row of the picture first."""
    table = LabelMap.load('mapillary_v1').table([NAMES[letter] for letter in known], ['drivable'])[:, 0]
    values = np.where(table == 1, POSITIVE, table).astype(np.uint8)[np.vectorize(known.index)(picture)]
    target = torch.from_numpy(values.repeat(4, 0).repeat(4, 1))[None, None, None]
    head = ReprojectionHead(dict(type='SegmentationLoss'), dict(boundary=width), dict(boundary='drivable'))
    grid = BEVGrid((-3.2, 3.2), (-1.6, 1.6), cell_size)
    confidence = torch.full((1, 1, 32, 64), 255, dtype=torch.uint8)
    geometry = (grid, camera[None, None], torch.eye(4)[None], (32, 64))
    maps = head.labels_on_ground(*geometry, target, confidence, classes=CLASSES)
    return tuple(part[0].flip(1) for part in maps)


@pytest.mark.parametrize('known', ['scrmk', 'srmk'])
def test_the_road_ends_at_what_is_off_the_road(camera, known):
    """At the foot of a curb, or where the sidewalk begins if the teacher knows no curbs; not at paint, at a car, behind
    one, or where the picture ends."""
    picture = letters(PICTURE)
    if 'c' not in known:
        picture[picture == 'c'] = 's'
    (_, boundary), (_, weight) = on_ground(camera, picture, known)
    found = np.select([(weight == 0).numpy(), (boundary > 0.5).numpy()], ['?', '+'], '.')
    assert [''.join(line) for line in found] == BOUNDARY.split()


@pytest.mark.parametrize('width', [0.3, 0.75, 1.2])
def test_it_is_as_wide_as_the_line_of_the_map(camera, width):
    """The road ends at y = 0."""
    picture = letters(('s' * 16 + ' ') * 4 + ('r' * 16 + ' ') * 4)
    (_, boundary), _ = on_ground(camera, picture, width=width, cell_size=0.05)
    line = boundary > 0.5
    assert line.float().sum(0).mean().item() * 0.05 == pytest.approx(width, abs=0.11)
    rows = (torch.arange(64) + 0.5) * 0.05 - 1.6
    assert rows[line.any(1)].mean().item() == pytest.approx(0, abs=0.03)


def test_points_of_one_cell():
    labels = torch.tensor(
        [[POSITIVE, 0, 0, 0], [POSITIVE] * 4, [POSITIVE, IGNORE, POSITIVE, IGNORE], [0, IGNORE, POSITIVE, IGNORE]],
        dtype=torch.uint8,
    )
    expected = {
        area_in_cells: ([0.25, 1, 1, 0.5], [1, 1, 0.5, 0.5]),
        line_in_cells: ([1, 1, 1, 1], [1, 1, 1, 1]),
        edge_in_cells: ([1, 0, 0, 1], [1, 1, 0, 1]),
    }
    for read, (share, certain) in expected.items():
        for found, wanted in zip(read(labels.mT), (share, certain), strict=True):
            torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float32))


@pytest.mark.parametrize(
    ('line_width', 'edges', 'message'),
    [
        (dict(), dict(boundary='drivable'), r"edges are lines: line_width must name \['boundary'\]"),
        (dict(boundary=1.0), dict(boundary='road'), r"edges names \['road'\], .* \('drivable',\)"),
        (dict(boundary=1.0, edge=1.0), dict(boundary='drivable', edge='boundary'), r"line_width names \['edge'\]"),
        (dict(boundary=1.0), dict(boundary='boundary'), r"edges names \['boundary'\], .* \('drivable',\)"),
    ],
)
def test_errors(camera, line_width, edges, message):
    head = ReprojectionHead(dict(type='SegmentationLoss'), line_width, edges)
    target = torch.zeros(1, 1, 1, 32, 64, dtype=torch.uint8)
    geometry = (BEVGrid((-1, 1), (-1, 1), 0.5), camera[None, None], torch.eye(4)[None], (32, 64))
    with pytest.raises(ValueError, match=message):
        head.labels_on_ground(*geometry, target, target[:, :, 0], classes=CLASSES)
