import importlib.util

import cv2
import numpy as np
import pytest

from ssl_bev.visualization import video


def read(path):
    film, frames = cv2.VideoCapture(str(path)), []
    while (frame := film.read()[1]) is not None:
        frames.append(frame)
    return film.get(cv2.CAP_PROP_FPS), frames


def pictures():
    """Of three sizes and colours; the first has odd sides."""
    for (height, width), colour in (((65, 97), (255, 0, 0)), ((32, 48), (0, 255, 0)), ((260, 388), (0, 0, 255))):
        yield np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize('encoder', ['imageio_ffmpeg', 'opencv'])
def test_pictures_of_any_size_become_frames(encoder, tmp_path, monkeypatch):
    if encoder == 'opencv':
        monkeypatch.setattr(video, 'find_spec', lambda name: None)
    elif importlib.util.find_spec('imageio_ffmpeg') is None:
        pytest.skip("imageio-ffmpeg is not installed; pip install 'ssl_bev[viz]'")
    out = tmp_path / 'new' / 'film.mp4'
    assert video.write_video(pictures(), out, fps=4) == 3
    assert [path.name for path in out.parent.iterdir()] == ['film.mp4']
    fps, frames = read(out)
    assert fps == pytest.approx(4, abs=0.01) and [frame.shape for frame in frames] == [(66, 98, 3)] * 3
    means = [frame[8:24, 8:40].mean((0, 1)).round() for frame in frames]
    assert np.abs(np.array(means) - 255 * np.eye(3)).max() < 25
    assert frames[1][40:60].min() > 200  # the smaller one has a margin
    assert frames[2][40:60, :90].mean((0, 1))[2] > 230  # the larger one is all there


def test_nothing_is_left_after_an_error(tmp_path):
    def broken():
        yield np.zeros((64, 64, 3), np.uint8)
        raise ValueError('no second picture')

    with pytest.raises(ValueError, match='no second picture'):
        video.write_video(broken(), tmp_path / 'film.mp4', 2)
    with pytest.raises(ValueError, match=r'must end in \.mp4, got .*film\.avi'):
        video.write_video(pictures(), tmp_path / 'film.avi', 2)
    with pytest.raises(ValueError, match='fps must be positive'):
        video.write_video(pictures(), tmp_path / 'film.mp4', 0)
    with pytest.raises(ValueError, match='pictures must have at least one'):
        video.write_video([], tmp_path / 'film.mp4', 2)
    assert not list(tmp_path.iterdir())
