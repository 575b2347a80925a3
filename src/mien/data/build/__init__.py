"""Instruction data from labelled faces: plan, text, checks, files."""
