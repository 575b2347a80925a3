"""The recipe of FEA-Synth, instruction data about rendered faces."""
