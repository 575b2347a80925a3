"""Benchmarks: suites, runs, scores, comparison, report. Any model, the same questions.

`run` asks and keeps every raw answer, `score` reads the answers and needs no model, `report` shows
the scores. `mien bench` is all three.
"""
