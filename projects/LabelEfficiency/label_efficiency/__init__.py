"""How far labels can be saved: recipes of training on synthetic towns, run and reported by ../run.py."""
