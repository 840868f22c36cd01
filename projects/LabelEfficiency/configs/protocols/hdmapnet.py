# What the protocol changes in a recipe, and in the network that completes maps. Dashed and solid lines of the teacher
# are dividers; a class starts from one class of the teacher alone, here from solid lines.
_base_ = '../../../../configs/_base_/protocols/hdmapnet.py'
dividers = dict.fromkeys(('dashed', 'solid'), 0.75)
coarse = dict(drivable=[], dashed=[], solid=['divider'], stop_line=[], crosswalk=[])
weights = dict(positive_weight=[1.0, 10.0, 10.0, 10.0, 6.0, 10.0, 10.0])
fine = dict(loss=dict(positive_weight=[6.0, 6.0, 6.0]))
edges = {name: _base_.protocol.coarse_classes[name] for name in ('boundary', 'crosswalk_edge')}
seg_head = dict(_base_.protocol.model.seg_head, coarse_classes=[*coarse.items(), *edges.items()])
recipe = dict(
    model=dict(
        # Half of the protocol's queries each way, for CPUs.
        bev_encoder=dict(_base_.protocol.model.bev_encoder, bev_shape=(25, 50)),
        seg_head=dict(seg_head, num_upsamples=3),
        objectives=dict(
            seg=fine,
            completed=fine,
            accumulated=dict(loss=weights),
            reprojection=dict(
                line_width=dict(dividers, boundary=0.75, crosswalk_edge=0.75),
                edges=_base_.protocol.model.objectives.reprojection.edges,
                loss=weights,
            ),
        ),
    ),
    val_evaluator=_base_.protocol.evaluator,
    test_evaluator=_base_.protocol.evaluator,
)
completion = dict(
    model=dict(
        seg_head=dict(seg_head, num_upsamples=0),
        loss=_base_.protocol.model.objectives.seg.loss,
    )
)
