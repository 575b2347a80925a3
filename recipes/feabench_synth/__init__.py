"""Makes FEABench-Synth v1, the test set of rendered faces that comes with mien."""
