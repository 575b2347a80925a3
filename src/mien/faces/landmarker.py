"""The default finder: MediaPipe's face detector on the picture and its tiles, then its landmarker.

The landmarker's result has neither box nor score, and its own detector sees the picture at
128 x 128 pixels, so it misses faces below about 14 % of the picture. Here the detector out of the
same bundle runs on its own, where needed tile by tile, and the landmarker sees one face at a time.

How far the search goes:

1. The whole picture. If it shows nothing, the picture again with a border, which tight crops lack.
2. If the longer side is above 480 pixels, tiles of half that side.
3. Tiles of a quarter and an eighth, each only if there is no clear face yet, or the level before it
   added one.
4. If there is nothing at all: the picture softened, brightened, evened (`second_look`).

What counts: in tiles, textures look like faces more often, so a detection there must score
`TILE_SCORE`. The landmarker has to confirm a detection by points that lie where the detector's box
says; one that it does not confirm counts from `SURE` on.
"""

from __future__ import annotations

import contextlib
import weakref
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces.base import FinderError, check_image
from mien.faces.crop import cut
from mien.faces.pose import pose_from_matrix
from mien.faces.quiet import quiet_stderr
from mien.faces.search import (
    Found,
    area,
    hull,
    hull_from_detection,
    merge,
    overlap,
    same_face,
    tile_sides,
    tile_starts,
)
from mien.faces.second_look import second_looks
from mien.schema import Box, Face
from mien.weights import verify

INPUT = 128  # side that the detector sees
LANDMARKER_CONFIDENCE = 0.3
# Measured on pictures with and without faces: of 0.7 and more nearly all are faces.
TILE_SCORE = 0.7
CLEAR = 0.75
SURE = 0.9  # false detections without landmarks reach 0.84
AGREEMENT = 0.35  # least intersection over union of the points' box and the detector's
# Side of the landmarker's picture over the detector's box, and its limits in pixels.
ROOM = (2.0, 1.5)
LEAST_CROP, MOST_CROP = 256, 512
# Side of what is searched near a known face, over its side: a face at 0.4 of it is found surely,
# and may have moved by three quarters of its side.
NEAR = 2.5


class MediaPipeFinder:
    """Finds faces with 478 landmarks, 52 blendshapes and head pose.

    A context manager; not for two threads at once.

    Args:
        max_faces: the largest so many are returned.
        min_detection: least score of a detection, in (0, 1].
        blendshapes: compute them.

    Raises:
        ValueError: on arguments out of range.
        FinderError: if MediaPipe cannot start, for example for want of libEGL.
        mien.weights.WeightsError: if the weights are missing or damaged.
    """

    name = "mediapipe"

    def __init__(
        self, max_faces: int = 50, min_detection: float = 0.5, blendshapes: bool = True
    ) -> None:
        if max_faces < 1:
            raise ValueError(f"max_faces is {max_faces}; it must be at least 1")
        if not 0 < min_detection <= 1:
            raise ValueError(f"min_detection is {min_detection}, outside (0, 1]")
        self.max_faces, self.blendshapes = max_faces, blendshapes
        bundle = verify("face_landmarker") / "face_landmarker.task"
        with quiet_stderr():
            self._detector, self._landmarker, self._to_image = _start(
                bundle.read_bytes(), min_detection, blendshapes
            )
        self._warm = False
        # Closed before the interpreter goes: MediaPipe's own __del__ fails when modules are gone.
        self._finalizer = weakref.finalize(self, _close, self._detector, self._landmarker)

    def __enter__(self) -> MediaPipeFinder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the networks; may be called twice."""
        self._finalizer()

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Finds the faces of a picture.

        Args:
            image: (H, W, 3) uint8, upright RGB.

        Returns:
            Faces, largest first. Where the landmarker fails on a sure detection, a face without
            landmarks whose box is estimated from the detector's.

        Raises:
            ValueError: if `image` is no RGB picture, or the finder is closed.
        """
        faces = self._found(image, lambda: self._search(image))
        if faces:
            return faces
        for look in second_looks(image):
            again = self._found(look.image, partial(self._whole, look.image))
            if again:
                return [_enlarged(face, look.scale) for face in again]
        return []

    def find_near(self, image: NDArray[np.uint8], boxes: list[Box]) -> list[Face]:
        """Finds faces near known ones, and large ones anywhere; in videos quicker than `find`.

        Args:
            image: (H, W, 3) uint8, upright RGB.
            boxes: where faces were a moment ago, in pixels.

        Returns:
            Faces, largest first.

        Raises:
            ValueError: if `image` is no RGB picture, or the finder is closed.
        """
        return self._found(image, lambda: self._search_near(image, boxes))

    def _found(self, image: NDArray[np.uint8], search: Callable[[], list[Found]]) -> list[Face]:
        """What the landmarker says of the faces that a search detects, largest first."""
        if not self._finalizer.alive:
            raise ValueError("the face finder is closed")
        check_image(image)
        with contextlib.nullcontext() if self._warm else quiet_stderr():
            found = search()
            found.sort(key=lambda f: -area(f.box))
            faces: list[Face] = []
            for one in found[: self.max_faces]:
                face = self._landmarks(image, one)
                if face is not None and not any(same_face(face.box, f.box) for f in faces):
                    faces.append(face)
            # Graphs start up, and talk, when a network first runs.
            self._warm = self._warm or bool(found)
        return sorted(faces, key=lambda face: -area(face.box))

    def _search_near(self, image: NDArray[np.uint8], boxes: list[Box]) -> list[Found]:
        """Detections in the whole picture as one, and in a square around each box."""
        found = self._level(Image.fromarray(image), max(image.shape[:2]))
        for x0, y0, x1, y1 in boxes:
            half = max(8, round(NEAR * max(x1 - x0, y1 - y0) / 2))
            left, top = round((x0 + x1) / 2) - half, round((y0 + y1) / 2) - half
            part = Image.fromarray(cut(image, left, top, left + 2 * half, top + 2 * half))
            found += [
                Found(_moved(f.box, left, top, 1.0), f.score) for f in self._level(part, 2 * half)
            ]
        return merge(found)

    def _search(self, image: NDArray[np.uint8]) -> list[Found]:
        """All detections, merged, by the rule in this module's docstring."""
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        found = self._whole(image)
        for tile in tile_sides(width, height):
            before = _clear(found)
            likely = [f for f in self._level(picture, tile) if f.score >= TILE_SCORE]
            found = merge([*found, *likely])
            if before and _clear(found) <= before:
                break
        return merge(found)

    def _whole(self, image: NDArray[np.uint8]) -> list[Found]:
        """Detections in the whole picture as one, with a border where it shows none without."""
        height, width = image.shape[:2]
        found = self._level(Image.fromarray(image), max(width, height))
        if found:
            return found
        border = max(width, height) // 3
        wider = Image.fromarray(cut(image, -border, -border, width + border, height + border))
        return [
            Found(_moved(f.box, -border, -border, 1.0), f.score)
            for f in self._level(wider, max(wider.size))
        ]

    def _level(self, picture: Image.Image, tile: int) -> list[Found]:
        """Detections in the picture's pixels, searched in tiles of this side."""
        scale = INPUT / tile
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        # Pillow's filter widens when it shrinks; MediaPipe's own resizing would alias.
        small = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = np.asarray(small)
        found = []
        for top in tile_starts(size[1], INPUT):
            for left in tile_starts(size[0], INPUT):
                part = np.ascontiguousarray(pixels[top : top + INPUT, left : left + INPUT])
                for detection in self._detector.detect(self._to_image(part)).detections:
                    b = detection.bounding_box
                    box = (b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height)
                    score = min(1.0, max(0.0, float(detection.categories[0].score)))
                    if b.width > 0 and b.height > 0:
                        found.append(Found(_moved(box, left, top, 1 / scale), score))
        return found

    def _landmarks(self, image: NDArray[np.uint8], found: Found) -> Face | None:
        """The face of a detection; None where the landmarker does not confirm an unsure one."""
        x, y = (found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2
        for room in ROOM:
            half = max(4, round(found.side * room / 2))
            x0, y0 = round(x) - half, round(y) - half
            part = cut(image, x0, y0, x0 + 2 * half, y0 + 2 * half)
            side = min(MOST_CROP, max(LEAST_CROP, 2 * half))
            if side != 2 * half:
                part = np.asarray(
                    Image.fromarray(part).resize((side, side), Image.Resampling.BICUBIC)
                )
            result = self._landmarker.detect(self._to_image(np.ascontiguousarray(part)))
            if not result.face_landmarks:
                continue
            points = np.array(
                [(p.x, p.y, p.z) for p in result.face_landmarks[0]], dtype=np.float32
            )  # (478, 3)
            points = points * np.float32(2 * half) + np.array([x0, y0, 0], dtype=np.float32)
            box = hull(points)
            if box is None or overlap(box, hull_from_detection(found.box)) < AGREEMENT:
                continue  # it took a neighbour; a tighter picture may not show that one
            return Face(
                box=box,
                detection=found.score,
                landmarks=points,
                blendshapes=_scores(result) if self.blendshapes else {},
                pose=pose_from_matrix(result.facial_transformation_matrixes[0]),
            )
        if found.score < SURE:
            return None
        return Face(box=hull_from_detection(found.box), detection=found.score)


def _clear(found: list[Found]) -> int:
    """How many are faces without doubt."""
    return sum(f.score >= CLEAR for f in found)


def _moved(
    box: tuple[float, float, float, float], left: float, top: float, scale: float
) -> tuple[float, float, float, float]:
    """A box of a part, in the pixels of the picture that the part was cut from."""
    x0, y0, x1, y1 = box
    return ((x0 + left) * scale, (y0 + top) * scale, (x1 + left) * scale, (y1 + top) * scale)


def _enlarged(face: Face, scale: float) -> Face:
    """A face in the pixels of a picture that is `scale` times as large."""
    x0, y0, x1, y1 = face.box
    points = None if face.landmarks is None else face.landmarks * np.float32(scale)
    box = (x0 * scale, y0 * scale, x1 * scale, y1 * scale)
    return replace(face, box=box, landmarks=points)


def _scores(result: Any) -> dict[str, float]:
    """Blendshape names to scores, without the filler that means none of them."""
    return {
        shape.category_name: min(1.0, max(0.0, float(shape.score)))
        for shape in result.face_blendshapes[0]
        if shape.category_name != "_neutral"
    }


def _start(bundle: bytes, min_detection: float, blendshapes: bool) -> tuple[Any, Any, Any]:
    """Detector, landmarker and the function that wraps an array for them."""
    import io

    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        with zipfile.ZipFile(io.BytesIO(bundle)) as files:
            network = files.read("face_detector.tflite")
        detector = vision.FaceDetector.create_from_options(
            vision.FaceDetectorOptions(
                base_options=BaseOptions(model_asset_buffer=network),
                min_detection_confidence=min_detection,
            )
        )
        landmarker = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=bundle),
                num_faces=1,
                min_face_detection_confidence=LANDMARKER_CONFIDENCE,
                min_face_presence_confidence=LANDMARKER_CONFIDENCE,
                min_tracking_confidence=LANDMARKER_CONFIDENCE,
                output_face_blendshapes=blendshapes,
                output_facial_transformation_matrixes=True,
            )
        )
    except ImportError as error:
        raise FinderError(
            f"MediaPipe cannot be imported ({error}): pip install mediapipe"
        ) from error
    except OSError as error:
        raise FinderError(_missing_library(error)) from error

    def to_image(pixels: NDArray[np.uint8]) -> Any:
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)

    return detector, landmarker, to_image


def _missing_library(error: OSError) -> str:
    text = str(error)
    remedy = "reinstall mediapipe (pip install --force-reinstall mediapipe)"
    if "libEGL" in text or "libGLES" in text:
        remedy = "on Debian or Ubuntu: apt-get install libegl1 libgles2"
    return f"MediaPipe cannot start, a system library is missing ({text}). Remedy: {remedy}"


def _close(*tasks: Any) -> None:
    with quiet_stderr():
        for task in tasks:
            try:
                task.close()
            except RuntimeError:
                # The interpreter is going, and with it the thread that would close the graph. The
                # process frees it; without a handle MediaPipe's own __del__ keeps still.
                task._handle = None
