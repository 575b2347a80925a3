"""The default finder: MediaPipe's face detector on the picture and its tiles, then its landmarker.

The landmarker's result has neither box nor score, and its own detector sees the picture at
128 x 128 pixels, so it misses faces below about 14 % of the picture. Here the detector out of the
same bundle runs on its own (`detector`), and the landmarker sees one face at a time. Where nothing
is found at all, the picture is softened, brightened, evened (`second_look`).

The landmarker has to confirm a detection by points that lie where the detector's box says; one that
it does not confirm counts from `SURE` on. A face that is turned by more than `LEANING` degrees is
looked at once more, set upright: points of leaning faces are off by a few hundredths of the face,
which is enough to change the expression of one in eight.
"""

from __future__ import annotations

import contextlib
import math
import os
import weakref
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces.base import FinderError, check_image
from mien.faces.crop import Square, crop_at, cut, roll_of
from mien.faces.detector import Search
from mien.faces.pose import pose_from_matrix
from mien.faces.search import (
    HULL_ABOVE,
    Found,
    area,
    detection_side,
    hull,
    hull_from_detection,
    overlap,
    same_face,
)
from mien.faces.second_look import second_looks
from mien.faces.turned import points_back
from mien.quick_start import loaded_on_use
from mien.quiet import quiet_stderr
from mien.schema import Box, Face
from mien.weights import verify

LANDMARKER_CONFIDENCE = 0.3
# Parts of MediaPipe that finding faces leaves alone; drawing brings matplotlib and OpenCV.
_UNUSED = (
    "mediapipe.tasks.python.vision.drawing_styles",
    "mediapipe.tasks.python.vision.drawing_utils",
    "mediapipe.tasks.python.audio",
    "mediapipe.tasks.python.text",
)
SURE = 0.9  # false detections without landmarks reach 0.84
AGREEMENT = 0.35  # least intersection over union of the points' box and the detector's
# Side of the landmarker's picture over the detector's box, and its limits in pixels.
ROOM = (2.0, 1.5)
LEAST_CROP, MOST_CROP = 256, 512
LEANING = 12.0


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
            detector, self._landmarker, self._to_image = _start(
                bundle.read_bytes(), min_detection, blendshapes
            )
        self._search = Search(detector, self._to_image)
        self._warm = False
        # Closed before the interpreter goes: MediaPipe's own __del__ fails when modules are gone.
        self._finalizer = weakref.finalize(self, _close, os.getpid(), detector, self._landmarker)

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
        faces = self._found(image, lambda: self._search.all(image))
        faces = faces or self._found(image, lambda: self._search.lying(image))
        if faces:
            return faces
        for look in second_looks(image):
            again = self._found(look.image, partial(self._search.again, look.image))
            if again:
                return [_enlarged(face, look.scale) for face in again]
        return [
            Face(box=hull_from_detection(one.box), detection=one.score)
            for one in self._search.persistent(image)
        ]

    def find_near(self, image: NDArray[np.uint8], known: list[Face]) -> list[Face]:
        """Finds faces near known ones, and large ones anywhere; in videos quicker than `find`.

        Args:
            image: (H, W, 3) uint8, upright RGB.
            known: the faces of a moment ago.

        Returns:
            Faces, largest first.

        Raises:
            ValueError: if `image` is no RGB picture, or the finder is closed.
        """
        return self._found(image, lambda: self._search.near(image, known))

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
            seen = self._seen(np.ascontiguousarray(np.rot90(part, found.turn)))
            if seen is None:
                continue
            points = points_back(seen.points * np.float32(2 * half), found.turn, 2 * half, 2 * half)
            points += np.array([x0, y0, 0], dtype=np.float32)
            box = hull(points)
            expected = hull_from_detection(found.box, found.turn)
            if box is None or overlap(box, expected) < AGREEMENT:
                continue  # it took a neighbour; a tighter picture may not show that one
            face = seen.face(points, box, found.score, 90.0 * found.turn)
            return self._set_upright(image, face, found.turn)
        if found.score < SURE or found.turn:  # without landmarks it would be cropped unturned
            return None
        return Face(box=hull_from_detection(found.box), detection=found.score)

    def _set_upright(self, image: NDArray[np.uint8], face: Face, turn: int) -> Face:
        """The face as it is found with the picture turned so that it stands upright."""
        roll = roll_of(face)
        leaning = abs(math.remainder(math.degrees(roll) - 90.0 * turn, 360.0))
        if leaning <= LEANING or face.landmarks is None:
            return face
        axes = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
        across = face.landmarks[:, :2] @ axes.T  # along the face's own axes
        low, high = across.min(axis=0), across.max(axis=0)
        side = detection_side(*(high - low).tolist())
        x, y = ((low + high) / 2 + np.array([0.0, HULL_ABOVE * side])) @ axes
        whole = max(8.0, ROOM[0] * side)
        size = min(MOST_CROP, max(LEAST_CROP, round(whole)))
        seen = self._seen(crop_at(image, Square(float(x), float(y), whole, roll), size))
        if seen is None:
            return face
        points = seen.points * np.float32(whole)
        points[:, :2] = (points[:, :2] - whole / 2) @ axes + np.array([x, y])
        box = hull(points)
        if box is None or overlap(box, face.box) < AGREEMENT:
            return face
        return seen.face(points, box, face.detection, math.degrees(roll))

    def _seen(self, part: NDArray[np.uint8]) -> _Seen | None:
        """What the landmarker says of one face; None where it sees none."""
        result = self._landmarker.detect(self._to_image(part))
        if not result.face_landmarks:
            return None
        points = [(p.x, p.y, p.z) for p in result.face_landmarks[0]]
        return _Seen(
            np.array(points, dtype=np.float32),
            _scores(result) if self.blendshapes else {},
            result.facial_transformation_matrixes[0],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The landmarker's result: points (478, 3) in shares of its picture."""

    points: NDArray[np.float32]
    blendshapes: dict[str, float]
    matrix: NDArray[np.floating]

    def face(self, points: NDArray[np.float32], box: Box, score: float | None, roll: float) -> Face:
        """As a face of the whole picture, which is turned by degrees against the one seen."""
        return Face(
            box=box,
            detection=score,
            landmarks=points,
            blendshapes=self.blendshapes,
            pose=pose_from_matrix(self.matrix, roll),
        )


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
        with loaded_on_use(*_UNUSED):
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


def _close(process: int, *tasks: Any) -> None:
    if os.getpid() != process:  # a fork has the graph, but not its threads, which closing awaits
        for task in tasks:
            task._handle = None
        return
    with quiet_stderr():
        for task in tasks:
            try:
                task.close()
            except RuntimeError:
                # The interpreter is going, and with it the thread that would close the graph. The
                # process frees it; without a handle MediaPipe's own __del__ keeps still.
                task._handle = None
