"""Measure images per second of the pseudo-label generator, against its teacher alone on the same images, in one run.

python tools/benchmarks/pseudo_labels.py --infos data/synthetic_nuscenes/ssl_bev_infos_val.pkl \\
    --data-root data/synthetic_nuscenes --teacher mmseg --config CONFIG --checkpoint PTH --batch-size 4

The teacher alone predicts on images that are in memory; the generator also reads them and writes the labels. They take
turns, and the ratio is the median over the turns, so that other load on the machine falls on both. `cpu` is the same
ratio in processor time: the cost of reading and writing if no core is idle.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence

import torch
from measure import conditions

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.files import read_picture
from ssl_bev.pseudo_labels.arguments import add_image_arguments, add_teacher_arguments, images_of, teacher_of
from ssl_bev.pseudo_labels.generate import generate_pseudo_labels
from ssl_bev.pseudo_labels.image_list import LabelImage
from ssl_bev.pseudo_labels.storage import PseudoLabelWriter
from ssl_bev.pseudo_labels.teachers import Teacher


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('--limit', type=int, default=48, help='images per turn')
    parser.add_argument('--repeats', type=int, default=5, help='measured turns; one more comes first')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help="torch's threads")
    parser.add_common('--workers', default=2, help='threads that read, and that write')
    add_image_arguments(parser)
    add_teacher_arguments(parser, required=True)
    return parser.parse_args(arguments)


def benchmark(teacher: Teacher, images: Sequence[LabelImage], batch_size: int, workers: int, repeats: int) -> dict:
    """Median speeds and ratios over the repetitions."""
    pictures = [read_picture(image.path) for image in images]
    paths = [image.path for image in images]

    def alone() -> None:
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            teacher.predict(pictures[part], paths[part])

    def generator() -> None:
        with tempfile.TemporaryDirectory() as out:
            writer = PseudoLabelWriter(out, teacher.name, teacher.sha256, teacher.class_names)
            with writer:
                generate_pseudo_labels(images, teacher, writer, batch_size, workers, show_progress=False)

    turns = [(_seconds(alone), _seconds(generator)) for _ in range(repeats + 1)][1:]
    return dict(
        ratio=statistics.median(tool[0] / bare[0] for bare, tool in turns),
        cpu_ratio=statistics.median(tool[1] / bare[1] for bare, tool in turns),
        generator_images_per_second=len(images) / statistics.median(tool[0] for _, tool in turns),
        teacher_images_per_second=len(images) / statistics.median(bare[0] for bare, _ in turns),
        ratios=[round(tool[0] / bare[0], 3) for bare, tool in turns],
    )


def _seconds(step: Callable[[], None]) -> tuple[float, float]:
    """Time and processor time of a step."""
    time_before, cpu_before = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - time_before, time.process_time() - cpu_before


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    torch.set_num_threads(args.threads)
    images = images_of(args)[: args.limit]
    teacher = teacher_of(args)
    result = benchmark(teacher, images, args.batch_size, args.workers, args.repeats)
    height, width = read_picture(images[0].path).shape[:2]
    result |= dict(teacher=teacher.name, images=len(images), image_size=[height, width], batch_size=args.batch_size)
    result |= conditions(args.threads, args.repeats)
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
