"""Finds the face of a sample in its pictures and cuts it out, once for all questions about it."""

from __future__ import annotations

from mien.bench.source import Picture
from mien.faces import CropSpec, Finder, crop_face, is_whole
from mien.sample import Sample
from mien.schema import Box, Face

LEAST_OVERLAP = 0.2
"""Intersection over union from which on a found face is the labelled one."""


class NoFaceError(LookupError):
    """The finder found no face, or none where the dataset says that it is."""


def find_faces(
    sample: Sample, pictures: list[Picture], finder: Finder | None
) -> list[tuple[Picture, Face]]:
    """The sample's face in each of its pictures that shows it.

    Of several faces the one that the dataset's box names is taken, else the largest. Frames of a
    clip without a face are passed over. Without a finder the dataset's box is the face, and the
    whole picture where there is no box.

    Raises:
        NoFaceError: if no picture shows the face.
    """
    found = []
    for picture in pictures:
        if finder is None:
            face = _labelled(picture, sample.box)
        else:
            face = _pick(finder.find(picture), picture, sample.box)
        if face is not None:
            found.append((picture, face))
    if not found:
        where = "where the dataset has it" if sample.box is not None else "in the picture"
        name = finder.name if finder is not None else "the dataset"
        raise NoFaceError(f"{name} found no face {where}")
    return found


def cut_faces(
    sample: Sample, pictures: list[Picture], finder: Finder | None, spec: CropSpec
) -> tuple[Picture, ...]:
    """The faces of `find_faces`, cut out: RGB crops of shape (S, S, 3), S as `spec` says."""
    found = find_faces(sample, pictures, finder)
    return tuple(crop_face(picture, face, spec) for picture, face in found)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def _labelled(picture: Picture, box: Box | None) -> Face | None:
    height, width = picture.shape[:2]
    return Face(box=box or (0.0, 0.0, float(width), float(height)))


def _pick(faces: list[Face], picture: Picture, box: Box | None) -> Face | None:
    if not faces:
        return None
    if box is None or is_whole(faces[0], *picture.shape[:2]):
        return faces[0]
    best = max(faces, key=lambda face: overlap(face.box, box))
    return best if overlap(best.box, box) >= LEAST_OVERLAP else None
