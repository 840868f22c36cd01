"""Tiny synthetic datasets, made once for all tests of the synthetic project."""

from pathlib import Path

import pytest

from projects.SyntheticNuScenes.synthetic_nuscenes.generate import generate
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import read_map, write_map
from projects.SyntheticNuScenes.synthetic_nuscenes.scene_plan import Options
from projects.SyntheticNuScenes.synthetic_nuscenes.town import make_town


@pytest.fixture(scope='session')
def small_maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two small towns as map expansions; the second, for validation, has the quirks of real maps."""
    folder = tmp_path_factory.mktemp('towns')
    paths = (folder / 'first.json', folder / 'boston-seaport.json')
    for seed, path in enumerate(paths, start=5):
        write_map(make_town(seed, cells=3), path)
    content = read_map(paths[1])
    # Real maps lack a centre line here and there, have lines without nodes, and road dividers without paint.
    content['arcline_path_3'].pop(content['lane'][0]['token'])
    content['line'].append({'token': 'line without nodes', 'node_tokens': []})
    divider = {'token': 'empty divider', 'line_token': 'line without nodes', 'lane_divider_segments': []}
    content['lane_divider'].append(divider)
    for record in content['road_divider']:
        record.pop('road_divider_segments')
    write_map(content, paths[1])
    return paths


@pytest.fixture(scope='session')
def tiny_options(small_maps: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Options:
    """Two scenes of two keyframes with one sweep between, in small pictures."""
    out = tmp_path_factory.mktemp('dataset') / 'exact'
    return Options(out, scenes=2, frames=2, sweeps=1, image_size=(64, 176), maps=small_maps, seed=3, density=0.5)


@pytest.fixture(scope='session')
def exact_root(tiny_options: Options) -> Path:
    """A flat dataset without annotation noise."""
    return generate(tiny_options, workers=1, show_progress=False)


@pytest.fixture(scope='session')
def noisy_root(tiny_options: Options) -> Path:
    """The same scenes in hills, with annotation noise."""
    settings = dict(vars(tiny_options), out=tiny_options.out.with_name('noisy'))
    settings |= dict(annotation_noise='nuscenes', terrain='hilly', sweeps=0)
    return generate(Options(**settings), workers=1, show_progress=False)
