"""Train the two small Mask2Former teachers of the synthetic world, and write their weights beside this file.

python projects/SyntheticNuScenes/teacher/train.py            about an hour on 2 cores; goes on where it was stopped

Images come from the teacher town, which no other split shows. First the network with Mapillary v2.0 names, and from it
the one with v1.2 names. Weights are published as half floats.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))
SCENES, FRAMES, SEED = 120, 4, 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--data', type=Path, default=ROOT / 'data' / 'synthetic_teacher_town', help='made where missing'
    )
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs', help='for checkpoints and logs')
    parser.add_argument('--out', type=Path, default=HERE, help='folder for the weights')
    args = parser.parse_args()
    if not args.data.exists():
        create = ROOT / 'tools' / 'create_synthetic_nuscenes.py'
        options = f'--version v1.0-trainval --split teacher --scenes {SCENES} --frames {FRAMES} --seed {SEED}'
        subprocess.run([sys.executable, create, '--out', args.data, *options.split()], check=True)
    os.environ['SSL_BEV_TEACHER_TOWN'] = str(args.data.resolve())
    finer = train(HERE / 'mask2former_v2.py', args.work_dir)
    coarser = train(HERE / 'mask2former_v1.py', args.work_dir, load_from=finer)
    for checkpoint in (finer, coarser):
        config = HERE / f'{checkpoint.parent.name}.py'
        publish(checkpoint, args.out / f'{config.stem}.pth', config)


def train(config: Path, work_dir: Path, **changes: object) -> Path:
    """Train one network, or go on with it; returns its last checkpoint."""
    import torch
    from mmengine.config import Config
    from mmengine.runner import Runner

    import ssl_bev.checkpoints  # noqa: F401, lets mmengine resume

    cfg = Config.fromfile(config)
    cfg.work_dir = str(work_dir / config.stem)
    cfg.merge_from_dict({key: str(value) for key, value in changes.items()})
    last = Path(cfg.work_dir) / f'iter_{cfg.max_iters}.pth'
    if not last.is_file():
        cfg.resume = (Path(cfg.work_dir) / 'last_checkpoint').is_file()
        runner = Runner.from_cfg(cfg)
        runner.model.to(memory_format=torch.channels_last)  # with bfloat16, twice as fast on CPUs that know it
        runner.train()
    return last


def publish(checkpoint: Path, out: Path, config: Path) -> None:
    """Write what inference needs: weights as half floats, and the class names."""
    import torch
    from mmengine.config import Config

    from ssl_bev.checkpoints import load_checkpoint_file

    state = load_checkpoint_file(checkpoint, 'cpu')['state_dict']
    weights = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    classes = list(Config.fromfile(config).classes)
    torch.save({'state_dict': weights, 'meta': {'dataset_meta': {'classes': classes}}}, f'{out}.part')
    os.replace(f'{out}.part', out)
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
