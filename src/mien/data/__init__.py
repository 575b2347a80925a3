"""Datasets on the user's disk: readers, checks, folds, and what is made of them."""
