# The second phase of a recipe, on the labelled scenes. Use it as a second base.
finetune = dict(
    name='finetune', epochs=12, losses=dict(seg=1.0), init_classes='coarse', train_dataloader='labelled_dataloader'
)
