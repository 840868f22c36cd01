"""Command-line arguments for images, a teacher and its pseudo-labels."""

from __future__ import annotations

import argparse
import json
from typing import Any

import yaml

from ssl_bev.command_line import COMMON, find_device
from ssl_bev.files.rules import Fault, Rule, list_of, mapping, number, numbers, text

from .image_list import LabelImage, list_images
from .teachers import KINDS, Teacher, build_teacher


def names_of(rule: Rule, example: str) -> dict[str, Any]:
    """Settings of an argument that is JSON of name -> value, each value with a rule of `ssl_bev.files.rules`."""
    check = mapping(rule, 'name', text, least=0)

    def parse(value: str) -> dict:
        try:
            content = json.loads(value)
        except ValueError:
            content = value
        try:
            return check(content)
        except Fault as fault:
            raise argparse.ArgumentTypeError(f'{fault}; give JSON such as {example}') from None

    return dict(type=parse, metavar='JSON')


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add those that `images_of` reads."""
    group = parser.add_argument_group('images')
    group.add_argument('--infos', required=True, **COMMON['--infos'])
    group.add_argument('--data-root', required=True, **COMMON['--data-root'])
    group.add_argument('--cameras', nargs='+', metavar='CAM', help='these cameras only')
    group.add_argument('--sweeps', action='store_true', help='also the camera frames between the keyframes')
    group.add_argument(
        '--image-folder',
        default='',
        metavar='PATTERN',
        help="folder between --data-root and the image paths; for info files of mmdet3d: 'samples/{camera}'",
    )


def images_of(args: argparse.Namespace) -> list[LabelImage]:
    """The images that the arguments name; raises as `list_images`."""
    return list_images(args.infos, args.data_root, args.cameras, args.sweeps, args.image_folder)


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """Add those that `labels_of` reads."""
    group = parser.add_argument_group('pseudo-labels')
    group.add_argument('--pseudo-labels', required=True, **COMMON['--pseudo-labels'])
    group.add_argument('--label-map', required=True, **COMMON['--label-map'])
    group.add_argument('--classes', nargs='+', default=['drivable', 'marking', 'crosswalk'], help='of the label map')
    group.add_argument('--min-confidence', type=float, default=0.5, help='of the teacher, 0 to 1; lower: ignored')
    group.add_argument(
        '--mover-margin', type=float, default=0.0, help='ignored this close to movers; fraction of image width'
    )
    group.add_argument(
        '--ego-body',
        help='regions of the ego vehicle, such as \'{"CAM_BACK": 0.83}\'',
        **names_of(_region, '{"CAM_BACK": 0.83}'),
    )


def _region(value: Any) -> float | list:
    """A region for `EgoBody`: a fraction of the height, or the corners of a polygon."""
    corners = list_of(numbers((2,), 'fractions of width and height'), 'corners (u, v)')
    return corners(value) if isinstance(value, list) else number(0, 1, 'fraction of the height')(value)


def labels_of(args: argparse.Namespace) -> dict[str, object]:
    """How to read the pseudo-labels that the arguments name, for `Accumulation`."""
    return dict(
        root=args.pseudo_labels,
        label_map=args.label_map,
        classes=args.classes,
        min_confidence=args.min_confidence,
        mover_margin=args.mover_margin,
        ego_body=args.ego_body,
    )


def add_teacher_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add those that `teacher_of` reads."""
    group = parser.add_argument_group('teacher')
    group.add_argument('--teacher', required=required, choices=KINDS)
    group.add_argument(
        '--config', metavar='FILE', help='mmseg: config of the model; onnx: its input and output; default: MODEL.yaml'
    )
    group.add_argument('--checkpoint', metavar='PTH', help='mmseg: its weights')
    group.add_argument('--model', metavar='NAME', help='huggingface: a local folder or a hub id; onnx: a file')
    group.add_argument(
        '--classes', metavar='FILE', help='onnx: names of the classes in the order of their ids, one per line'
    )
    group.add_argument(
        '--settings', nargs='+', metavar='KEY=VALUE', help='onnx: changes to --config, such as mean=0,0,0 values=ids'
    )
    group.add_argument('--oracle-root', metavar='DIR', help='oracle: dataset or folder of labels; default: --data-root')
    group.add_argument(
        '--scale',
        nargs='+',
        type=float,
        metavar='S',
        help='image size for the network: a factor, or a width and a height to fit into',
    )
    group.add_argument(
        '--autocast', choices=('bfloat16', 'float16'), help='mixed precision, if it is safe and not emulated'
    )
    group.add_argument('--batch-size', type=int, default=1, metavar='N', help='images per batch')
    group.add_argument('--device', **COMMON['--device'])


def teacher_of(args: argparse.Namespace) -> Teacher:
    """The teacher that the arguments name; raises as `build_teacher`."""
    root = args.oracle_root or args.data_root if args.teacher == 'oracle' else args.oracle_root
    device = 'cpu' if args.teacher == 'oracle' else find_device(args.device)
    return build_teacher(
        args.teacher,
        config=args.config,
        checkpoint=args.checkpoint,
        model=args.model,
        device=device,
        scale=scale_of(args),
        root=root,
        autocast=args.autocast,
        classes=args.classes,
        settings=settings_of(args),
    )


def settings_of(args: argparse.Namespace) -> dict[str, object] | None:
    """The settings for `build_teacher`; values with commas are lists.

    Raises:
        ValueError: a setting without =, or a value that is no YAML.
    """
    if args.settings is None:
        return None
    settings = {}
    for setting in args.settings:
        key, equals, value = setting.partition('=')
        try:
            values = yaml.safe_load(f'[{value}]')
        except yaml.YAMLError:
            values = []
        if not equals or not values:
            raise ValueError(f'--settings takes KEY=VALUE, got {setting!r}')
        settings[key] = values[0] if len(values) == 1 else values
    return settings


def scale_of(args: argparse.Namespace) -> float | tuple[int, int] | None:
    """The scale for `build_teacher`.

    Raises:
        ValueError: neither one number nor two whole ones.
    """
    if not args.scale:
        return None
    if len(args.scale) == 1:
        return args.scale[0]
    if len(args.scale) == 2 and all(value.is_integer() for value in args.scale):
        return int(args.scale[0]), int(args.scale[1])
    raise ValueError(f'--scale takes a factor, or a width and a height in whole pixels, got {args.scale}')
