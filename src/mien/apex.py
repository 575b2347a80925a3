"""The faces of tracks at their apex, read from the clip again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.faces import Finder
from mien.faces.search import overlap
from mien.media import MediaError, read_frames
from mien.schema import Analysis, Face

_SAME = 0.5  # least intersection over union with the face of the row


def apex_faces(
    origin: Path | bytes, rows: Sequence[Analysis], finder: Finder
) -> Iterator[tuple[Analysis, NDArray[np.uint8], Face]]:
    """Each track's row with the frame of its apex and its face there, in the order of time.

    A clip is not held in memory, so these few frames are decoded a second time. A frame that does
    not come the second time, as in a broken clip, is left out.

    Args:
        origin: the clip.
        rows: of kind "track".
        finder: finds the face with its landmarks; where it does not, the row's box stands.
    """
    wanted: dict[int, list[Analysis]] = {}
    for row in rows:
        if row.frame is not None and row.box is not None:
            wanted.setdefault(row.frame, []).append(row)
    frames = read_frames(origin, indices=sorted(wanted)) if wanted else iter(())
    try:
        for frame in frames:
            found = finder.find(frame.image)
            for row in wanted[frame.index]:
                if row.time is None or row.box is None or abs(frame.time - row.time) > 1e-3:
                    continue  # a damaged clip was counted otherwise
                box = row.box
                face = max(found, key=lambda f: overlap(f.box, box), default=None)
                if face is None or overlap(face.box, box) < _SAME:
                    face = Face(box=box, detection=row.detection, pose=row.pose)
                yield row, frame.image, face
    except MediaError:
        return  # told when the clip was read
