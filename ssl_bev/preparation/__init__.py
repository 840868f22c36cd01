"""Steps before training: info files, BEV labels, accumulated and completed targets, splits, and checks."""
