"""Undistorted pictures show each point where a pinhole camera would have; OpenCV's projections are the truth."""

import cv2
import numpy as np
import pytest

from ssl_bev.files.lens import Lens, file_size

SIZE = (240, 320)
MATRIX = ((160.0, 0.0, 163.5), (0.0, 158.0, 118.5), (0.0, 0.0, 1.0))
WIDE = ((100.0, 0.0, 200.0), (0.0, 100.0, 150.0), (0.0, 0.0, 1.0))
PINHOLES = {
    'k1 k2 p1 p2': (-0.3, 0.08, 0.001, -0.002),
    'with k3': (-0.28, 0.07, 0.0005, 0.001, -0.01),
    'rational': (0.5, 0.1, 0.0, 0.001, 0.01, 0.8, 0.2, 0.02),
    'pincushion': (0.15, 0.02, 0.0, 0.0, 0.0),
    'thin prism': (-0.2, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.002, 0.0, -0.001, 0.0),
    'tilted': (-0.2, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.01, -0.01),
}
FISHEYES = {'ideal': (0.0, 0.0, 0.0, 0.0), 'real': (-0.02, 0.01, -0.004, 0.0006)}
LENSES = {
    **{name: Lens('pinhole', k, MATRIX, SIZE, MATRIX, SIZE) for name, k in PINHOLES.items()},
    **{f'fisheye {name}': Lens('fisheye', k, MATRIX, SIZE, MATRIX, SIZE) for name, k in FISHEYES.items()},
    'pinhole to another image': Lens('pinhole', PINHOLES['with k3'], MATRIX, SIZE, WIDE, (300, 400)),
    'fisheye to another image': Lens('fisheye', FISHEYES['real'], MATRIX, SIZE, WIDE, (300, 400)),
}


def distorted(lens, points):
    """Where a lens shows points (P, 3) of the camera frame in its file, in our pixels."""
    matrix = np.array(lens.cam2img) - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
    project = cv2.fisheye.projectPoints if lens.model == 'fisheye' else cv2.projectPoints
    pixels, _ = project(points[:, None], np.zeros(3), np.zeros(3), matrix, np.array(lens.coefficients))
    return pixels.reshape(-1, 2) + 0.5


def pinhole(lens, points):
    pixels = points @ np.array(lens.new_cam2img).T
    return pixels[:, :2] / pixels[:, 2:]


def blob(size, pixel):
    """A soft round spot around a position, in our pixels."""
    v, u = np.mgrid[: size[0], : size[1]] + 0.5
    return (255 * np.exp(-((u - pixel[0]) ** 2 + (v - pixel[1]) ** 2) / 8)).astype(np.uint8)


def centre(picture):
    v, u = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    weight = picture.astype(float)
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES.keys())
def test_points_are_where_a_pinhole_has_them(lens):
    """Spots drawn where the lens shows points; after undistortion their centres are the pinhole's to 0.1 px."""
    points = np.array([[x, y, 4.0] for x in (-1.8, -0.6, 0.5, 1.7) for y in (-1.3, -0.1, 1.2)])
    for seen, expected in zip(distorted(lens, points), pinhole(lens, points), strict=True):
        # Where the scale changes a spot becomes an egg: in a small one it hardly shows.
        found = centre(lens.undistort(np.repeat(blob(lens.size, seen)[..., None], 3, 2))[..., 0])
        assert np.abs(found - expected).max() < 0.1, (expected, found)


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES.keys())
def test_labels_follow_the_picture(lens):
    """Each label is that of the pixel of the file which shows the same ray."""
    v, u = (np.mgrid[: lens.new_size[0] : 7, : lens.new_size[1] : 7] + 0.5).reshape(2, -1)
    rays = np.stack([u, v, np.ones_like(u)], 1) @ np.linalg.inv(np.array(lens.new_cam2img)).T
    column, row = np.floor(distorted(lens, rays)).astype(int).T
    ids = np.add.outer(np.arange(lens.size[0]) // 5 * 7, np.arange(lens.size[1]) // 5).astype(np.uint8) % 200
    found = lens.undistort_labels(ids, 255)[v.astype(int), u.astype(int)]
    inside = (column >= 0) & (column < lens.size[1]) & (row >= 0) & (row < lens.size[0]) & lens.seen()[::7, ::7].ravel()
    assert inside.mean() > 0.5
    assert (found[inside] == ids[row[inside], column[inside]]).mean() > 0.995
    assert (found[~lens.seen()[::7, ::7].ravel()] == 255).all()


def test_what_the_polynomial_shows_twice_is_unknown():
    """k1 = -0.35: beyond r = 0.976, 44 degrees, the picture would come back from its edge."""
    matrix = ((80.0, 0.0, 160.0), (0.0, 80.0, 120.0), (0.0, 0.0, 1.0))
    lens = Lens('pinhole', (-0.35, 0.0, 0.0, 0.0), matrix, SIZE, matrix, SIZE)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    radius = np.hypot(u - 160, v - 120) / 80
    np.testing.assert_array_equal(lens.seen(), radius < np.sqrt(1 / (3 * 0.35)))
    assert (lens.undistort(np.full((*SIZE, 3), 9, np.uint8))[~lens.seen()] == 0).all()


def test_checks():
    lens = LENSES['with k3']
    lens.check()
    with pytest.raises(ValueError, match=r'must be \(240, 320\) \(height, width\), got \(241, 320\)'):
        lens.undistort(np.zeros((241, 320, 3), np.uint8))
    with pytest.raises(ValueError, match=r'pinhole lens with the coefficients \[-20.0, .* shows .* less than 50%'):
        lens._replace(coefficients=(-20.0, 0.0, 0.0, 0.0)).check()


def test_from_an_info_file():
    camera = {'cam2img': WIDE, 'height': 300, 'width': 400}
    assert Lens.of(camera) is None
    assert file_size(camera) == (300, 400)
    assert file_size({'cam2img': WIDE, 'height': None}) is None
    lens = LENSES['pinhole to another image']
    camera['lens'] = {
        'model': 'pinhole', 'coefficients': list(lens.coefficients), 'cam2img': np.array(MATRIX).tolist(),
        'height': 240, 'width': 320,
    }  # fmt: skip
    assert Lens.of(camera) == lens
    assert file_size(camera) == SIZE
