"""What the frames of a clip say together: tracks over time, and their summary."""

from mien.timeline.series import course_of, resting_level, smooth
from mien.timeline.track_rows import moment_row, summary_rows
from mien.timeline.tracks import Timeline, Track

__all__ = [
    "Timeline",
    "Track",
    "course_of",
    "moment_row",
    "resting_level",
    "smooth",
    "summary_rows",
]
