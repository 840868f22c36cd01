"""Short runs beside the recipe that they change: pairs of the same seed, worked by hand."""

import pytest

from projects.SyntheticNuScenes.label_efficiency.ablation import HEAD, ablation_tables, is_short


def short(arm, seed, noisy, exact=0.0, variant='short', setting='more_images', fraction=0.5):
    return dict(
        arm=arm, title=f'the {arm} one', seed=seed, variant=variant, setting=setting, fraction=fraction,
        validation=dict(noisy=dict(mIoU=noisy), exact=dict(mIoU=exact, IoU_stop_line=exact)),
    )  # fmt: skip


def tables(*records):
    return [[dict(zip(HEAD, row, strict=True)) for row in table] for table in ablation_tables(records)]


def test_a_change_is_the_mean_of_differences_of_the_same_seed():
    own = [short('completed_only', seed, noisy, 0.4) for seed, noisy in ((0, 0.30), (1, 0.34), (2, 0.38))]
    other = [short('completed_from_scratch', seed, noisy, 0.5) for seed, noisy in ((1, 0.36), (0, 0.30))]
    (whole, change), *_ = tables(*own, *other)
    assert (whole[''], whole['seeds'], whole['mIoU noisy']) == ('**the completed_only one**', '3', '34.0 ± 4.0')
    assert (whole['change noisy'], whole['change exact']) == ('', '')
    # + 0 and + 2 pp; the means, 33 and 34, would say - 1
    assert (change['change noisy'], change['change exact']) == ('+1.0 ± 1.4', '+10.0 ± 0.0')
    assert (change[''], change['stop']) == ('the completed_from_scratch one', '50.0')


def test_variants_stand_below_their_own_recipe_and_the_best_first():
    records = [
        short('completed_only', 0, 0.3),
        short('paper', 0, 0.2),
        short('paper', 0, 0.1, variant='no_area_short'),
        short('paper', 0, 0.3, variant='ungated_short'),
        short('completed_only', 0, 0.25, variant='no_balance_short'),
        {**short('completed_from_scratch', 0, 0.9), 'variant': ''},
        {key: value for key, value in short('completed_from_scratch', 1, 0.9).items() if key != 'validation'},
    ]
    ours, paper = tables(*records)
    assert [row[''] for row in ours] == ['**the completed_only one**', 'no balance']
    assert [(row[''], row['change noisy']) for row in paper[1:]] == [('ungated', '+10.0'), ('no area', '-10.0')]


def test_another_setting_or_share_of_labels_is_a_change():
    own = [short('completed_only', 0, 0.3), short('completed_only', 1, 0.4)]
    same = short('completed_only', 0, 0.2, setting='same_images')
    few = short('completed_only', 1, 0.1, fraction=0.1, setting='same_images')
    (rows,) = tables(*own, same, few)
    assert [(row[''], row['seeds'], row['change noisy']) for row in rows] == [
        ('**the completed_only one**', '2', ''),
        ('the completed_only one, same images', '1', '-10.0'),
        ('the completed_only one, same images, 10 %', '1', '-30.0'),
    ]


def test_without_a_common_seed_there_is_no_change_and_without_reference_no_table():
    (_, change), *_ = tables(short('completed_only', 0, 0.3), short('completed_from_scratch', 1, 0.4))
    assert change['change noisy'] == '-'
    assert tables(short('completed_from_scratch', 0, 0.3)) == []


@pytest.mark.parametrize('variant, expected', [('short', True), ('lr_short', True), ('', False), ('shortest', False)])
def test_short_runs_are_told_by_their_variant(variant, expected):
    assert is_short(dict(variant=variant)) == expected
