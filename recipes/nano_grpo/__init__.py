"""Reinforcement from checkable rewards on `mien/nano`."""
