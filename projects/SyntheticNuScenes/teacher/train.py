"""Train the small Mask2Former teacher of the synthetic world, and write its weights beside this file.

python projects/SyntheticNuScenes/teacher/train.py            about 45 minutes on 2 cores; continues where it stopped

Images come from the teacher town, which no other split shows. Weights are published in half precision.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from ssl_bev.command_line import CommandParser, input_errors  # noqa: E402

TOWN = '--version v1.0-trainval --split teacher --seed 11 --scenes {} --frames {}'
SCENES, FRAMES = 120, 4
PROCESSES = 2  # of one thread each: 1.5 times as fast as one process of two threads


@input_errors(subprocess.CalledProcessError)
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    default = ROOT / 'data' / 'synthetic_teacher_town'
    parser.add_common('--data-root', '--data', type=Path, default=default, help='created if missing')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs', help='for checkpoints and logs')
    parser.add_common('--out', type=Path, default=HERE, help='folder for the weights')
    parser.add_argument(
        '--toy', type=Path, metavar='DIR', help='one frame, two steps, all into DIR, to see that it runs'
    )
    args = parser.parse_args(arguments)
    if args.toy:
        args.data_root, args.work_dir, args.out = (args.toy / part for part in ('town', 'work_dirs', 'weights'))
    if not args.data_root.exists():
        create = HERE.parent / 'create.py'
        options = TOWN.format(*((1, 1) if args.toy else (SCENES, FRAMES)))
        subprocess.run([sys.executable, create, '--out', args.data_root, *options.split()], check=True)
    os.environ.update(
        SSL_BEV_TEACHER_TOWN=str(args.data_root.resolve()), OMP_WAIT_POLICY='PASSIVE', PYTHON=sys.executable
    )
    config = HERE / 'mask2former_v2.py'
    checkpoint = train(config, args.work_dir, args.toy)
    from mmengine.config import Config

    from ssl_bev.checkpoints import publish

    classes = list(Config.fromfile(config).classes)
    path = publish(checkpoint, args.out / f'{config.stem}.pth', {'dataset_meta': {'classes': classes}})
    print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')


def train(config: Path, work_dir: Path, toy: Path | None) -> Path:
    """Train the network, or continue; returns its last checkpoint."""
    from mmengine.config import Config

    steps = 2 if toy else Config.fromfile(config).max_iters
    last = work_dir / config.stem / f'iter_{steps}.pth'
    if not last.is_file():
        changes = ['--cfg-options', f'train_cfg.max_iters={steps}']
        arguments = [config, str(PROCESSES), '--resume', '--work-dir', last.parent, *changes]
        subprocess.run([ROOT / 'tools' / 'dist_train.sh', *arguments], check=True)
    return last


if __name__ == '__main__':
    main()
