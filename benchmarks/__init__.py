"""Measurements of speed, memory and baselines; each file is a command."""
