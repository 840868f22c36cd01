"""Generating: repeatable, atomic, and clear about bad arguments."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from projects.SyntheticNuScenes import create
from projects.SyntheticNuScenes.synthetic_nuscenes.generate import generate
from projects.SyntheticNuScenes.synthetic_nuscenes.scene_plan import TOWNS, Options, name_scenes, plan_scenes
from projects.SyntheticNuScenes.synthetic_nuscenes.terrain import Terrain
from projects.SyntheticNuScenes.synthetic_nuscenes.town import make_town
from projects.SyntheticNuScenes.synthetic_nuscenes.traffic import Traffic


def digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob('*') if p.is_file())
    return {str(p.relative_to(root)): hashlib.md5(p.read_bytes()).hexdigest() for p in files}


def test_two_processes_write_the_same_files_as_one(tiny_options: Options, exact_root: Path, tmp_path: Path):
    again = Options(**dict(vars(tiny_options), out=tmp_path / 'again'))
    assert digests(generate(again, workers=2, show_progress=False)) == digests(exact_root)
    assert list(tmp_path.iterdir()) == [tmp_path / 'again']


def test_a_folder_with_something_in_it_is_left_alone(tiny_options: Options, tmp_path: Path):
    (tmp_path / 'mine.txt').touch()
    with pytest.raises(ValueError, match='must be a new or an empty folder'):
        generate(Options(**dict(vars(tiny_options), out=tmp_path)), workers=1)
    other = tmp_path / 'out.partial'
    other.mkdir()
    with pytest.raises(ValueError, match=r'out\.partial is in the way'):
        generate(Options(**dict(vars(tiny_options), out=tmp_path / 'out')), workers=1)
    with pytest.raises(ValueError, match='workers must be at least 1'):
        generate(Options(**dict(vars(tiny_options), out=tmp_path / 'out')), workers=0)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--scenes', '0'], 'scenes must be at least 1, got 0'),
        (['--scenes', '11'], 'v1.0-mini has 8 train scenes, 9 are wanted'),
        (['--sweeps', '6'], 'sweeps must be at most 5'),
        (['--image-size', '300', '352'], 'at most 198 high'),
        (['--map', 'nowhere.json'], 'map expansion not found: nowhere.json'),
        (['--seed', '-1'], 'seed must be at least 0'),
    ],
)
def test_bad_arguments_say_what_is_wrong(arguments: list[str], message: str, tmp_path: Path):
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        create.main(['--out', str(tmp_path / 'out'), *arguments])
    assert not list(tmp_path.iterdir())


def test_each_split_has_its_own_town(tmp_path: Path):
    plans = plan_scenes(Options(tmp_path, scenes=10))
    splits = dict(name_scenes(Options(tmp_path, scenes=10)))
    assert list(splits.values()).count('val') == 2
    assert all(plan.location == TOWNS[splits[plan.name]][0] for plan in plans)
    assert len({plan.seed for plan in plans}) == 10 and len({plan.look for plan in plans}) > 1
    teacher = plan_scenes(Options(tmp_path, scenes=10, split='teacher'))
    assert {plan.location for plan in teacher} == {TOWNS['teacher'][0]}
    assert not {plan.seed for plan in teacher} & {plan.seed for plan in plans}


def test_more_scenes_keep_the_ones_there_were(tmp_path: Path):
    few, many = (plan_scenes(Options(tmp_path, 'v1.0-trainval', scenes=n)) for n in (9, 90))
    assert {(p.name, p.seed, p.look) for p in few} <= {(p.name, p.seed, p.look) for p in many}


@pytest.fixture(scope='module')
def traffic() -> Traffic:
    return Traffic(make_town(5, cells=3), 4, 6.0, Terrain('hilly', 2), density=0.5)


def test_the_ego_car_stays_on_its_path_and_keeps_its_heading(traffic: Traffic):
    times = np.arange(-0.1, 6.0, 0.1)
    poses = np.array([traffic.ego_pose(t, planar=True) for t in times])
    path = traffic.ego_path
    distance = np.linalg.norm(poses[:, None, :2, 3] - path[None], axis=-1).min(axis=1)
    assert distance.max() < 0.3
    speed = np.linalg.norm(np.diff(poses[:, :2, 3], axis=0), axis=1) / 0.1
    assert 1.0 < speed.max() < 12.5 and np.abs(np.diff(speed)).max() / 0.1 < 7.0
    moving = speed > 1.0
    step = np.diff(poses[:, :2, 3], axis=0)[moving]
    along = (step * poses[:-1][moving, :2, 0]).sum(axis=1) / np.linalg.norm(step, axis=1)
    assert along.min() > 0.99


def test_in_hills_the_car_stands_on_its_wheels(traffic: Traffic):
    pose = traffic.ego_pose(2.0)
    assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-9)
    wheels = (
        pose
        @ np.array([[0.0, 0.75, 0.0, 1.0], [0.0, -0.75, 0.0, 1.0], [2.6, 0.75, 0.0, 1.0], [2.6, -0.75, 0.0, 1.0]]).T
    )
    assert np.abs(traffic.terrain.height(wheels[:2].T) - wheels[2]).max() < 0.05
    assert np.allclose(traffic.ego_pose(2.0, planar=True)[:2, 3], pose[:2, 3])


def test_things_keep_their_numbers_and_move_as_fast_as_they_say(traffic: Traffic):
    before, after = traffic.boxes_at(2.0), traffic.boxes_at(2.2)
    assert [b.instance for b in before] == [b.instance for b in after] == list(range(len(before)))
    moved = 0
    for a, b in zip(before, after, strict=True):
        assert (a.category, a.size, a.colour_seed) == (b.category, b.size, b.colour_seed)
        velocity = (b.center - a.center)[:2] / 0.2
        assert np.linalg.norm(velocity - a.velocity) < 1.6
        moved += np.linalg.norm(velocity) > 0.5
    assert moved >= 3
    assert {'static.building', 'static.tree', 'static.pole', 'human.pedestrian.adult'} <= {b.category for b in before}
