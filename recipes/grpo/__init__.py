"""GRPO with TRL on rows of `mien data build`."""
