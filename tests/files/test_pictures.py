import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from ssl_bev.files import read_ids, read_picture


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


@pytest.fixture
def jpeg(tmp_path):
    """A file, and its content as a bytearray."""
    path = tmp_path / 'picture.jpg'
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8), (0, 0), 3)
    cv2.imwrite(str(path), picture)
    return path, bytearray(path.read_bytes())


def test_zeros_in_the_middle_of_a_jpeg_are_noticed(jpeg):
    path, content = jpeg
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'damaged \(zeros instead of image data at byte [0-9]+\): .*picture.jpg'):
        read_picture(path)


def test_flat_pictures_whose_codes_are_zeros_are_no_fault(tmp_path):
    """With tables that fit the picture, flatness has the shortest code, and its bits are zeros for long."""
    path = tmp_path / 'flat.jpg'
    Image.new('RGB', (1600, 900), (9, 9, 9)).save(path, optimize=True)
    assert bytes(200) in path.read_bytes()
    assert read_picture(path).shape == (900, 1600, 3)


def test_what_the_decoder_complains_about_is_an_error(jpeg, capfd):
    """Of several threads, only the one that reads the bad file complains; nothing of it reaches the terminal."""
    path, content = jpeg
    good = path.with_name('good.jpg')
    good.write_bytes(content)
    content[len(content) // 2 : len(content) // 2 + 300] = bytes(range(20, 120)) * 3
    path.write_bytes(content)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(read_picture, file) for file in [good, path] * 10]
    for future in futures[::2]:
        assert future.result().shape == (200, 300, 3)
    for future in futures[1::2]:
        with pytest.raises(ValueError, match=r'picture is damaged: .*picture.jpg.*the decoder says "Corrupt JPEG data'):
            future.result()
    os.write(2, b'still there\n')
    assert capfd.readouterr().err == 'still there\n'


@pytest.mark.parametrize('rest', [b'x' * 500, b'\xff\xda\x00\x02' * 50, b'\0' * 4096], ids=['text', 'markers', 'zeros'])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_bytes_behind_the_end_are_no_fault(tmp_path, suffix, rest):
    path = tmp_path / f'picture{suffix}'
    cv2.imwrite(str(path), np.full((16, 16, 3), 90, np.uint8))
    path.write_bytes(path.read_bytes() + rest)
    assert read_picture(path).shape == (16, 16, 3)


def test_padding_before_the_end_of_a_jpeg_is_no_fault(jpeg):
    path, content = jpeg
    content[-2:-2] = bytes(64)
    path.write_bytes(content)
    assert read_picture(path).shape == (200, 300, 3)


def test_a_truncated_jpeg_with_a_whole_thumbnail_is_noticed(jpeg):
    path, content = jpeg
    thumbnail = bytes(cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1])
    segment = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    path.write_bytes(content[:2] + segment + content[2:])
    assert read_picture(path).shape == (200, 300, 3)
    path.write_bytes((content[:2] + segment + content[2:])[: len(segment) + 40])
    with pytest.raises(ValueError, match='picture is truncated'):
        read_picture(path)


def test_a_png_with_a_wrong_checksum_is_damaged(tmp_path):
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'damaged \(the checksum of its block IDAT is wrong\): .*picture.png'):
        read_picture(path)


def test_images_of_16_bits_are_refused(tmp_path):
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.full((4, 4, 3), 4000, np.uint16))
    with pytest.raises(ValueError, match=r'must have 8 bits a channel, .* has 16 with values up to 4000; convert'):
        read_picture(path)
    assert read_picture(path, cv2.IMREAD_UNCHANGED).dtype == np.uint16


IDS = np.arange(64, dtype=np.uint8).reshape(8, 8)


def save_palette(path, bits):
    picture = Image.fromarray(IDS % 2**bits)
    picture = picture.convert('P') if bits == 8 else picture
    picture.putpalette(list(range(255, -1, -1)) * 3)
    picture.save(path, bits=bits)


def save_grey(path, bits):
    """PIL writes no grey of 2 or 4 bits: the header of a palette picture of that depth says grey instead."""
    save_palette(path, bits)
    content = path.read_bytes()
    header = content[12:25] + b'\0' + content[26:29]
    start, end = content.index(b'PLTE') - 4, content.index(b'PLTE') + 8
    end += int.from_bytes(content[start : start + 4], 'big')
    path.write_bytes(content[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + content[33:start] + content[end:])


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
@pytest.mark.parametrize('save', [save_palette, save_grey])
def test_ids_are_what_is_stored(tmp_path, save, bits):
    path = tmp_path / 'ids.png'
    save(path, bits)
    assert path.read_bytes()[24:26] == bytes([bits, 3 if save is save_palette else 0])
    ids = read_ids(path)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, IDS % 2**bits)
    ids[0, 0] = 1  # may be changed


def test_ids_of_16_bits(tmp_path):
    path = tmp_path / 'ids.png'
    cv2.imwrite(str(path), IDS.astype(np.uint16))
    np.testing.assert_array_equal(read_ids(path), IDS)
    cv2.imwrite(str(path), IDS.astype(np.uint16) + 1000)
    with pytest.raises(ValueError, match=r'ids.png \(frame 5\) has 16 bits and ids up to 1063; .* at most 255'):
        read_ids(path, 'frame 5')
    cv2.imwrite(str(tmp_path / 'ids.jpg'), IDS)
    with pytest.raises(ValueError, match='is a JPEG, which does not keep ids'):
        read_ids(tmp_path / 'ids.jpg')
