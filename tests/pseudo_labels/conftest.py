"""Images of the tiny root, as the generator of pseudo-labels lists them."""

import shutil

import pytest

from ssl_bev.pseudo_labels.image_list import list_images


@pytest.fixture(scope='session')
def infos(tiny_data):
    return tiny_data / 'ssl_bev_infos_train.pkl'


@pytest.fixture
def images(infos, tiny_root):
    """28 images: 2 scenes, 2 cameras, 3 keyframes and 4 sweeps each; read only."""
    return list_images([infos], tiny_root, with_sweeps=True)


@pytest.fixture
def own_root(tiny_root, tmp_path):
    """A copy of the tiny root that a test may damage."""
    return shutil.copytree(tiny_root, tmp_path / 'own_root')
