"""A report as one HTML file: each picture beside what was read from it, and how to read that."""

from mien.report.clips import ClipItem, shrunk
from mien.report.writer import ReportItem, ReportWriter

__all__ = ["ClipItem", "ReportItem", "ReportWriter", "shrunk"]
