import cv2
import numpy as np
import pytest

from ssl_bev.files import read_picture


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_truncated_pictures_are_noticed(tmp_path, suffix):
    path = tmp_path / f'picture{suffix}'
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    assert read_picture(path).shape == (64, 64, 3)
    whole = path.read_bytes()
    for part in (0.9, 0.5, 0.02, 0.0):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(ValueError, match=rf'truncated: .*picture{suffix} \(frame 5\)'):
            read_picture(path, context='frame 5')
    path.write_bytes(b'hello')
    with pytest.raises(ValueError, match='cannot be decoded'):
        read_picture(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match='picture not found'):
        read_picture(path)
