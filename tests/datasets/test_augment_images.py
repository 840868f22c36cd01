import numpy as np
import pytest

from ssl_bev.datasets import JitterColors, ResizeCropFlipImages


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)  # noqa: NPY002  (what data workers seed)


def window(images, cam2img=None):
    """What LoadBEVImages makes of one frame with these images."""
    count = len(images)
    cam2img = np.tile(np.diag([50.0, 50, 1, 1]), (1, count, 1, 1)) if cam2img is None else cam2img
    return {
        'img': [list(images)],
        'cam2img': cam2img,
        'img_aug': np.tile(np.eye(3), (1, count, 1, 1)),
        'bev2cam': np.tile(np.eye(4), (1, count, 1, 1)),
    }


def painted(u, v, shape=(120, 200), radius=6):
    """A picture with a soft round dot whose centre of mass is at (u, v), pixel centres at +0.5."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    dot = 250 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (radius / 2) ** 2))
    return np.repeat(dot[..., None], 3, 2).astype(np.float32)


def center_of_mass(image):
    weight = image[..., 0].astype(np.float64)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


AUGMENTATIONS = {
    'half': {'size': (60, 100)},
    'odd scale': {'size': (70, 137)},
    'larger': {'size': (150, 260)},
    'bottom crop': {'size': (64, 176), 'crop_y': 'bottom'},
    'flip': {'size': (60, 100), 'flip_prob': 1.0},
    'random': {'size': (80, 130), 'resize': (1.0, 1.3), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 0.5},
    'zoom out': {'size': (90, 150), 'resize': (0.7, 0.9), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 0.5},
}


@pytest.mark.parametrize('arguments', AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())
def test_painted_dot_is_where_the_calibration_says(arguments):
    """A point in space that projects onto the dot still does so afterwards, to 0.01 px."""
    for _ in range(5):
        dots = np.array([[101.3, 82.6], [96.8, 77.1]])
        cam2img = np.tile(np.array([[90.0, 0, 98, 0], [0, 95, 55, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), (1, 2, 1, 1))
        results = ResizeCropFlipImages(per_camera=True, **arguments).transform(
            window([painted(*dot) for dot in dots], cam2img.copy())
        )
        assert results['img_shape'] == arguments['size']
        for n, dot in enumerate(dots):
            rays = np.linalg.inv(cam2img[0, n, :3, :3]) @ [*dot, 1]
            projected = results['cam2img'][0, n, :3, :3] @ (7 * rays)
            expected = projected[:2] / projected[2]
            np.testing.assert_allclose(results['img_aug'][0, n] @ [*dot, 1], [*expected, 1], atol=1e-9)
            assert results['img'][0][n].shape[:2] == arguments['size']
            np.testing.assert_allclose(center_of_mass(results['img'][0][n]), expected, atol=0.01)


@pytest.mark.parametrize('width', [200, 190, 177, 131, 100, 94, 50, 41])
def test_thin_lines_keep_their_light_when_shrunk(width):
    """A line of one pixel leaves the same light in the smaller image wherever it lies."""
    light = []
    for column in range(60, 100):
        image = np.zeros((150, 200, 3), np.uint8)
        image[:, column] = 255
        height = round(150 * width / 200)
        shrunk = ResizeCropFlipImages((height, width)).transform(window([image]))['img'][0][0]
        assert shrunk.dtype == np.uint8
        light.append(shrunk[height // 2].astype(float).sum(0) / 255)
    np.testing.assert_allclose(light, width / 200, rtol=0.1)


def test_resize_keeps_the_sky_out():
    """A 120 x 200 image at size (60, 200) loses its upper half."""
    image = np.zeros((120, 200, 3), np.uint8)
    image[60:] = 7
    results = ResizeCropFlipImages((60, 200)).transform(window([image]))
    assert (results['img'][0][0] == 7).all()
    np.testing.assert_allclose(results['cam2img'][0, 0, :2, 2], [0, -60])


def test_one_draw_for_all_frames_and_by_option_for_all_cameras():
    def augmented(**arguments):
        transform = ResizeCropFlipImages((60, 100), resize=(1, 1.5), crop_x='random', flip_prob=0.5, **arguments)
        one = window([np.zeros((120, 200, 3), np.uint8)] * 3)
        two = {
            **one,
            'img': one['img'] * 2,
            'img_aug': one['img_aug'].repeat(2, 0),
            'cam2img': one['cam2img'].repeat(2, 0),
        }
        return transform.transform(two)['img_aug']

    shared, separate = augmented(), augmented(per_camera=True)
    np.testing.assert_array_equal(shared[0], shared[1])
    np.testing.assert_array_equal(separate[0], separate[1])
    assert (shared[0] == shared[0, :1]).all()
    assert not np.allclose(separate[0, 0], separate[0, 1])


def test_without_training_nothing_is_random():
    arguments = {'resize': (0.5, 2), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 1.0, 'training': False}
    results = ResizeCropFlipImages((30, 100), **arguments).transform(window([np.zeros((120, 200, 3), np.uint8)]))
    np.testing.assert_allclose(results['img_aug'][0, 0], [[0.5, 0, 0], [0, 0.5, -30], [0, 0, 1]])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'size': (0, 10)}, r'size must be \(height, width\)'),
        ({'size': (10, 10), 'resize': (1.2, 1)}, 'resize must be'),
        ({'size': (10, 10), 'crop_y': 'sky'}, "crop_y must be one of .*, got 'sky'"),
        ({'size': (10, 10), 'flip_prob': 2}, r'flip_prob must be in \[0, 1\]'),
    ],
)
def test_image_augmentation_checks_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResizeCropFlipImages(**arguments)


def test_jitter_is_the_same_for_all_frames_and_stays_small():
    image = np.random.default_rng(0).integers(60, 190, (20, 30, 3), np.uint8)
    results = {'img': [[image, image], [image, image]]}
    after = JitterColors(per_camera=True).transform(results)['img']
    np.testing.assert_array_equal(after[0][0], after[1][0])
    assert (after[0][0] != after[0][1]).any()
    assert np.abs(after[0][0].astype(int) - image).mean() < 60
    same = JitterColors(0, 0, 0, 0).transform({'img': [[image]]})['img'][0][0]
    np.testing.assert_array_equal(same, image)
    # Brightness alone shifts every channel alike.
    bright = JitterColors(0.1, 0, 0, 0).transform({'img': [[image]]})['img'][0][0].astype(int) - image
    assert np.ptp(bright) <= 1
    with pytest.raises(ValueError, match=r'hue must be in \[0, 180\], got -1'):
        JitterColors(hue=-1)
