"""FEABench-Synth: a fixed test set of rendered faces, which comes with mien.

Pictures of a software renderer differ a little from machine to machine, so the set is shipped and
verified, not rendered again. Reading it needs neither a face model nor OpenGL.
"""

from mien.synth.feabench.benchmark import (
    VERSION,
    FeaBenchError,
    FeaBenchSynth,
    decode_picture,
    load_feabench,
)

__all__ = ["VERSION", "FeaBenchError", "FeaBenchSynth", "decode_picture", "load_feabench"]
