"""What the wheel brings, by the way of an sdist: packages, and under `ssl_bev/.mim` what `mim` looks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from ssl_bev.engine import load_config

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow
NOT_PUBLISHED = shutil.ignore_patterns(
    '.*', '__pycache__', '*.egg-info', 'data', 'work_dirs', 'build', 'dist', 'site', 'tests'
)


def build(kind: str, sources: Path, out: Path) -> Path:
    code = f'from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))'
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run([sys.executable, '-c', code], cwd=sources, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope='module')
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp('clone') / 'ssl_bev', ignore=NOT_PUBLISHED))


@pytest.fixture(scope='module')
def installed(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel of an unpacked sdist."""
    folder = tmp_path_factory.mktemp('wheel')
    with tarfile.open(build('sdist', sources, folder)) as archive:
        archive.extractall(folder, filter='data')
    wheel = build('wheel', next(path for path in folder.iterdir() if path.is_dir()), folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / 'site')
    return folder / 'site'


def files(folder: Path, *suffixes: str) -> set[str]:
    found = (path for path in folder.rglob('*') if path.suffix in suffixes and '__pycache__' not in path.parts)
    return {str(path.relative_to(folder)) for path in found}


def test_it_has_all_that_a_clone_has(installed: Path) -> None:
    assert files(installed / 'ssl_bev', '.py', '.yaml', '.j2', '.typed') >= files(
        ROOT / 'ssl_bev', '.py', '.yaml', '.j2'
    )
    assert files(installed / 'ssl_bev/.mim/configs', '.py', '.yaml', '.txt') == files(
        ROOT / 'configs', '.py', '.yaml', '.txt'
    )
    tools = files(ROOT / 'tools', '.py', '.sh') - {'setup_env.sh', 'demo.py'}  # these need a clone
    assert files(installed / 'ssl_bev/.mim/tools', '.py', '.sh') == {t for t in tools if not t.startswith('docs/')}
    for project in ('BEVFormer', 'LiftSplat', 'SimpleBEV', 'SyntheticNuScenes'):
        assert files(installed / 'projects' / project, '.py') == files(ROOT / 'projects' / project, '.py')
    assert not (installed / 'projects' / 'LabelEfficiency').exists()
    assert (installed / 'ssl_bev' / 'py.typed').exists()


def test_nothing_is_left_in_the_clone(installed: Path, sources: Path) -> None:
    new = {path.name for path in sources.iterdir()} - {path.name for path in ROOT.iterdir()}
    assert new <= {'ssl_bev.egg-info'}


def test_every_config_has_a_name_and_loads(installed: Path) -> None:
    configs = installed / 'ssl_bev' / '.mim' / 'configs'
    leaves = {name for name in files(configs, '.py') if not any(part.startswith('_') for part in Path(name).parts)}
    names = {path.name: path.read_text().strip() for path in configs.iterdir() if path.is_file() and not path.suffix}
    assert set(names.values()) == leaves
    assert names['bevformer_ssl_pretrain'] == 'bevformer_ssl_pretrain.py'
    assert names['synthetic_bevformer_ssl_pretrain'] == 'synthetic/bevformer_ssl_pretrain.py'
    for name in names:
        config = load_config(configs / name)
        assert Path(config.filename).is_relative_to(configs)
    start = load_config(configs / 'synthetic_bevformer_ssl_pretrain').model.img_backbone.init_cfg
    assert Path(start.checkpoint).is_file()


def test_the_index_names_configs_that_exist(installed: Path) -> None:
    mim = installed / 'ssl_bev' / '.mim'
    models = yaml.safe_load((mim / 'model-index.yml').read_text())['Models']
    assert models and all((mim / model['Config']).is_file() for model in models)
