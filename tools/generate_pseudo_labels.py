#!/usr/bin/env python
"""Label the images of info files with a teacher, or check such labels.

python tools/generate_pseudo_labels.py --infos data/nuscenes/ssl_bev_infos_*.pkl --data-root data/nuscenes --sweeps \\
    --out data/nuscenes/pseudo_labels --teacher mmseg --config CONFIG --checkpoint PTH --batch-size 4
python tools/generate_pseudo_labels.py ... --teacher onnx --model ONNX --classes TXT     # see docs/teachers.md
python tools/generate_pseudo_labels.py ... --shard 0/4             # one of four processes, on any machine
torchrun --nproc_per_node 8 tools/generate_pseudo_labels.py ...    # or one for each GPU
python tools/generate_pseudo_labels.py --infos ... --data-root ... --out ... --sweeps --verify

The same command continues where it stopped. Exit code: 0 success, 1 an error or faulty labels, 3 unreadable images.
"""

from __future__ import annotations

import argparse
import sys

import ssl_bev
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.pseudo_labels.arguments import (
    add_image_arguments,
    add_teacher_arguments,
    images_of,
    scale_of,
    teacher_of,
)
from ssl_bev.pseudo_labels.generate import generate_pseudo_labels
from ssl_bev.pseudo_labels.image_list import LabelImage
from ssl_bev.pseudo_labels.shards import Shard, gather_from_ranks, join_ranks
from ssl_bev.pseudo_labels.storage import PseudoLabelWriter
from ssl_bev.pseudo_labels.verify import delete_broken, verify_pseudo_labels

UNREADABLE_IMAGES = 3


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--out', required=True)
    parser.add_argument('--shard', metavar='I/N', help='part I of N; under torchrun by rank')
    parser.add_common('--workers', default=2, help='threads that read, and that write (default: %(default)s)')
    parser.add_common('--quiet')
    parser.add_argument('--verify', action='store_true', help='check the labels in --out, without a teacher')
    parser.add_argument('--delete-broken', action='store_true', help='with --verify: delete faulty labels')
    add_image_arguments(parser)
    add_teacher_arguments(parser, required=False)
    args = parser.parse_args(arguments)
    if not args.verify and args.teacher is None:
        parser.error('--teacher is needed, or --verify')
    if args.delete_broken and not args.verify:
        parser.error('--delete-broken needs --verify')
    return args


@input_errors()
def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    shard = Shard.parse(args.shard) if args.shard else Shard.of_rank()
    images = shard.select(images_of(args))
    return verify(args, images) if args.verify else generate(args, images, shard)


def generate(args: argparse.Namespace, images: list[LabelImage], shard: Shard) -> int:
    joined = args.shard is None and join_ranks()
    teacher = teacher_of(args)
    settings = dict(scale=scale_of(args), autocast=args.autocast)
    settings = {name: value for name, value in settings.items() if value is not None} | dict(teacher.settings)
    version = ssl_bev.__version__
    with PseudoLabelWriter(
        args.out, teacher.name, teacher.sha256, teacher.class_names, version, settings=settings
    ) as writer:
        report = generate_pseudo_labels(
            images,
            teacher,
            writer,
            args.batch_size,
            args.workers,
            show_progress=not args.quiet and not (joined and shard.index),
            description='pseudo-labels' if shard.count == 1 else f'shard {shard}',
        )
    part = '' if shard.count == 1 else f', shard {shard}'
    print(f'{args.out}{part}: {report.written} images labelled, {report.skipped} were labelled before')
    unreadable = gather_from_ranks(report.unreadable) if joined else report.unreadable
    if unreadable and not (joined and shard.index):
        print(f'{len(unreadable)} images are unreadable and have no label:', file=sys.stderr)
        print(*(f'  {image.path}: {image.reason}' for image in unreadable), sep='\n', file=sys.stderr)
    return UNREADABLE_IMAGES if unreadable else 0


def verify(args: argparse.Namespace, images: list[LabelImage]) -> int:
    faults = verify_pseudo_labels(args.out, images, args.workers, show_progress=not args.quiet)
    print(*(fault.reason for fault in faults), sep='\n', end='\n' if faults else '')
    print(f'{args.out}: {len(faults)} faults in the labels of {len(images)} images')
    if args.delete_broken:
        print(f'{delete_broken(args.out, faults)} files deleted; run the generator again')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
