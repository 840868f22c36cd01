import importlib.util
import json
import os
import pprint
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import torch
from engine_toy import CLASSES, make_config, two_phases
from mmengine.config import Config

from ssl_bev.checkpoints import load_checkpoint_file
from ssl_bev.engine import load_config
from ssl_bev.engine.launch import prepare_run, use_checkpoint, use_mixed_precision

ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f'tools_{name}', ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_config(path: Path, **options) -> Path:
    evaluation = dict(
        dataset=dict(type='ToyDataset', length=7, augment=False),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=2,
        num_workers=0,
    )
    config = make_config(
        Path('unused'),
        two_phases(),
        path.stem,
        custom_imports=dict(imports=['engine_toy'], allow_failed_imports=False),
        test_dataloader=evaluation,
        test_evaluator=dict(type='BEVIoUMetric', classes=CLASSES, rings=[(0, 1.2)]),
        test_cfg=dict(),
        **options,
    )
    del config['work_dir']
    path.write_text(''.join(f'{key} = {pprint.pformat(value)}\n' for key, value in config.items()))
    return path


def run_script(folder: Path, *command: str) -> None:
    environment = dict(
        os.environ, PYTHONPATH=f'{ROOT}:{ROOT / "tests/engine"}', OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''
    )
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_train_and_resume_from_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path / 'whole.py')
    write_config(tmp_path / 'torn.py')
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    train = script('train')
    train.main(['../whole.py'])
    stop_early = ['train_cfg.max_epochs=3', 'custom_hooks.0.phases.1.epochs=1']
    stop_later = ['train_cfg.max_epochs=4', 'custom_hooks.0.phases.1.epochs=2']
    train.main(['../torn.py', '--resume', '--cfg-options', *stop_early])  # nothing to resume from yet: starts
    (tmp_path / 'elsewhere').rename(tmp_path / 'moved')
    monkeypatch.chdir(tmp_path / 'moved')
    assert (tmp_path / 'moved/work_dirs/torn/epoch_3.pth').exists()
    assert not (tmp_path / 'moved/work_dirs/torn/epoch_4.pth').exists()

    # A name of its own: mmengine's visualizer is shared by runs that start within the same second.
    renamed = ['--cfg-options', 'experiment_name=straight']
    train.main(['../whole.py', '--work-dir', 'straight', '--resume', 'work_dirs/torn/epoch_2.pth', *renamed])
    first, second = (
        load_checkpoint_file(tmp_path / 'moved' / name / 'epoch_5.pth')['state_dict']
        for name in ('work_dirs/whole', 'straight')
    )
    assert all(torch.equal(first[name], second[name]) for name in first)

    train.main(['../torn.py', '--resume', '--cfg-options', 'experiment_name=again', *stop_later])
    assert load_checkpoint_file('work_dirs/torn/epoch_4.pth')['meta']['iter'] == 2 * 4 + 2 * 3


def test_a_first_start_with_resume_keeps_load_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train = script('train')
    train.main([str(write_config(tmp_path / 'first.py'))])
    second = write_config(tmp_path / 'second.py', load_from='work_dirs/first/epoch_5.pth')
    cfg = load_config(second)
    prepare_run(cfg)
    use_checkpoint(cfg, 'auto')
    assert (cfg.get('resume', False), cfg.load_from) == (False, 'safe:work_dirs/first/epoch_5.pth')


@pytest.mark.slow
def test_two_processes_train_and_evaluate_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_config(tmp_path / 'toy.py')
    text = config.read_text()
    for key in ('dataloader', 'evaluator', 'cfg'):
        text += f'val_{key} = test_{key}\n'
    config.write_text(text + 'train_cfg["val_interval"] = 5\n')
    (tmp_path / 'elsewhere').mkdir()
    run_script(tmp_path / 'elsewhere', str(ROOT / 'tools/dist_train.sh'), '../toy.py', '2', '--work-dir', '../out')
    checkpoint = tmp_path / 'out/epoch_5.pth'
    assert load_checkpoint_file(checkpoint)['meta']['iter'] == 2 * 2 + 3 * 2  # half as many iterations an epoch

    monkeypatch.chdir(tmp_path)
    script('test').main([str(config), str(checkpoint), '--out', 'one.json'])
    one = json.loads((tmp_path / 'one.json').read_text())
    assert one['bev/mIoU'] > 0
    (scalars,) = tmp_path.glob('out/*/vis_data/scalars.json')
    two = json.loads(scalars.read_text().splitlines()[-1])
    assert {name: two[name] for name in one} == one


def test_arguments_of_the_launchers(tmp_path: Path) -> None:
    def command(*words: str) -> list[str]:
        # PYTHON is what set-up builds the environment with; trainings run in the environment.
        environment = dict(os.environ, PYTHON='false', VIRTUAL_ENV=str(tmp_path))
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    tools, echo = tmp_path / 'tools', tmp_path / 'bin' / 'python'
    for folder in (tools, echo.parent):
        folder.mkdir()
    for name in ('dist_train.sh', 'dist_test.sh', 'torchrun.sh'):
        shutil.copy(ROOT / 'tools' / name, tools)
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    common = [str(tools / 'torchrun.py'), '--standalone', '--nproc_per_node', '3']
    train = command(str(tools / 'dist_train.sh'), 'a.py', '3', '--resume')
    assert train == [*common, str(tools / 'train.py'), 'a.py', '--resume', '--launcher', 'pytorch']
    test = command(str(tools / 'dist_test.sh'), 'a.py', 'b.pth', '3', '--out', 'c.json')
    assert test == [*common, str(tools / 'test.py'), 'a.py', 'b.pth', '--out', 'c.json', '--launcher', 'pytorch']


def test_slurm_starts_a_task_for_each_gpu(tmp_path: Path) -> None:
    """A stand-in for `srun` that shows its own arguments, and runs what it is given."""
    (tmp_path / 'bin').mkdir()
    for name in ('slurm.sh', 'slurm_train.sh', 'slurm_test.sh'):
        (tmp_path / 'tools').mkdir(exist_ok=True)
        shutil.copy(ROOT / 'tools' / name, tmp_path / 'tools')
    loop = 'while [ "$1" != python ]; do echo "$1"; shift; done\nexec "$@"\n'
    for name, text in (('srun', f'#!/bin/sh\n{loop}'), ('python', '#!/bin/sh\necho "$@"\n')):
        (tmp_path / 'bin' / name).write_text(text)
        (tmp_path / 'bin' / name).chmod(0o755)

    def command(name: str, *words: str, **variables: str) -> list[str]:
        environment = {**os.environ, 'VIRTUAL_ENV': str(tmp_path), **variables}
        tool = str(tmp_path / 'tools' / name)
        done = subprocess.run([tool, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == (0 if len(words) >= 4 else 2)
        return (done.stdout or done.stderr).split()

    train = command('slurm_train.sh', 'part', 'job', 'a.py', 'out', '--resume', SRUN_ARGS='--time=9 --signal=TERM@60')
    *resources, launched = ' '.join(train).partition(' -u ')
    assert resources[0].split() == [
        '-p', 'part', '--job-name=job', '--gres=gpu:8', '--ntasks=8', '--ntasks-per-node=8', '--cpus-per-task=5',
        '--kill-on-bad-exit=1', '--time=9', '--signal=TERM@60',
    ]  # fmt: skip
    assert launched == f'{tmp_path}/tools/train.py a.py --work-dir out --resume --launcher slurm'
    test = command('slurm_test.sh', 'part', 'job', 'a.py', 'b.pth', GPUS='2', CPUS_PER_TASK='3', SRUN_ARGS='')
    assert {'--gres=gpu:2', '--ntasks=2', '--ntasks-per-node=2', '--cpus-per-task=3'} < set(test)
    assert test[-5:] == [f'{tmp_path}/tools/test.py', 'a.py', 'b.pth', '--launcher', 'slurm']
    assert 'PARTITION' in command('slurm_train.sh', 'part')


def test_errors_name_the_argument(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'config file .*none\.py does not exist'):
        load_config(tmp_path / 'none.py')
    config = str(write_config(tmp_path / 'toy.py'))
    with pytest.raises(SystemExit, match=r'error: checkpoint .*none\.pth to resume from does not exist'):
        script('train').main([config, '--work-dir', str(tmp_path), '--resume', str(tmp_path / 'none.pth')])
    with pytest.raises(SystemExit, match=r'error: checkpoint none\.pth does not exist'):
        script('test').main([config, 'none.pth'])
    with pytest.raises(SystemExit, match=r'error: config .*toy\.py: NoModel is not in the .*model registry'):
        script('train').main([config, '--work-dir', str(tmp_path), '--cfg-options', 'model.type=NoModel'])
    with pytest.raises(ValueError, match='--amp needs'):
        use_mixed_precision(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))
