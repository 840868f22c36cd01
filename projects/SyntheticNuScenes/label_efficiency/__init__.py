"""How far labels can be saved: arms of training on synthetic towns, run and reported by tools/label_efficiency.py."""
