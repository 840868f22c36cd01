"""Matching of Mask2Former's queries to classes that does not have to be found."""

from __future__ import annotations

import torch
from mmdet.models.task_modules import AssignResult, BaseAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData


@TASK_UTILS.register_module()
class ClassQueryAssigner(BaseAssigner):
    """Query k learns class k. Quick to learn from scratch, where Hungarian matching keeps changing its mind.

    Enough for semantic segmentation, where a class is one mask. Source: the fixed matching of MaskFormer
    (arXiv 2107.06278, appendix).
    """

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        img_meta: dict | None = None,
    ) -> AssignResult:
        """Assign each mask to the query of its class.

        Raises:
            ValueError: fewer queries than classes.
        """
        num_queries, labels = len(pred_instances.scores), gt_instances.labels
        if len(labels) and int(labels.max()) >= num_queries:
            raise ValueError(
                f'num_queries must be more than the largest class id, got {num_queries} for class {int(labels.max())}'
            )
        matched = torch.zeros(num_queries, dtype=torch.long, device=labels.device)  # 0 = nothing
        matched[labels] = torch.arange(1, len(labels) + 1, device=labels.device)
        matched_labels = torch.full_like(matched, -1)
        matched_labels[labels] = labels
        return AssignResult(len(labels), matched, None, labels=matched_labels)
