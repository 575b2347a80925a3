"""One self-contained HTML page of the scores of one or more models on a suite."""

from mien.bench.report.page import write_report

__all__ = ["write_report"]
