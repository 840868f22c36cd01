"""Targets for every frame of a scene from a trained `MapCompletion`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from ssl_bev.datasets.accumulated_target_files import start_folder, target_path, write_target
from ssl_bev.models import MapCompletion


@torch.no_grad()
def complete_maps(
    model: MapCompletion,
    loader: DataLoader,
    out: str | Path,
    source: Mapping,
    unseen_weight: float = 0.1,
    show_progress: bool = True,
) -> dict[str, int]:
    """Write one file of targets for each sample; existing ones are skipped.

    Args:
        model: in evaluation mode.
        loader: of a `BEVDataset` whose pipeline ends with `PackEvidence`.
        out: folder, created if missing; `LoadAccumulatedTargets(root=out, kind='completed')` reads it.
        source: identification of the model for the manifest, such as its checkpoint and hash.
        unseen_weight: weight of ground that no pseudo-label shows, 0 ... 1. Other ground has the weight of its
            evidence, at least this one.
        show_progress: whether to draw a progress bar.

    Returns:
        The numbers of frames that were written and that existed already.

    Raises:
        ValueError: `unseen_weight` out of range, or a folder with targets that were made with other settings.
    """
    if not 0 <= unseen_weight <= 1:
        raise ValueError(f'unseen_weight must be in [0, 1], got {unseen_weight}')
    head, frame = model.seg_head, loader.dataset.bev_frame
    settings = dict(asdict(head.grid), bev_frame=frame, classes=head.classes, unseen_weight=unseen_weight)
    start_folder(out, {**settings, 'source': dict(source)})
    counts = {'written': 0, 'there': 0}
    for batch in tqdm(loader, desc='completing maps', unit='batch', disable=not show_progress):
        tokens = [sample.sample_token for sample in batch['data_samples']]
        if all(target_path(out, token).is_file() for token in tokens):
            counts['there'] += len(tokens)
            continue
        for token, evidence, sample in zip(tokens, batch['inputs']['evidence'], model.test_step(batch), strict=True):
            probability = sample.pred_bev_seg.float().cpu().numpy()
            seen = evidence[len(model.classes) :].amax(0).clamp(min=unseen_weight).numpy()
            write_target(out, token, probability, seen[None].repeat(len(probability), 0))
            counts['written'] += 1
    return counts
