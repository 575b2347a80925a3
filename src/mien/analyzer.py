"""Media to faces to engine to `Analysis`, as a stream that batches faces across pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.engines import Answer, Engine, EngineError, load_engine
from mien.faces import Finder, crop_face, make_finder
from mien.media import Input, Picture, iter_pictures
from mien.schema import Analysis, Face

if TYPE_CHECKING:
    import pandas


@dataclass(eq=False)
class Looked:
    """One input after it was looked at.

    Attributes:
        source: as given.
        image: (H, W, 3) upright RGB, or None where it could not be read.
        faces: found faces, in the order of the rows.
        rows: one per face, or one that says why there is none.
    """

    source: str
    image: NDArray[np.uint8] | None
    faces: list[Face] = field(default_factory=list)
    rows: list[Analysis] = field(default_factory=list)


@dataclass(eq=False)
class _Pending:
    """A picture whose faces wait for their answers."""

    picture: Picture
    faces: list[Face]
    answers: list[Answer]


class Analyzer:
    """Looks at the faces in pictures with one model.

    Args:
        engine: who answers.
        finder: who finds the faces.
        batch_size: faces answered at a time.
    """

    def __init__(self, engine: Engine, finder: Finder, *, batch_size: int = 16):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.engine, self.finder, self.batch_size = engine, finder, batch_size

    def analyze(
        self, inputs: str | Path | bytes | Sequence[str | Path | bytes], *, numbers: bool = False
    ) -> list[Analysis]:
        """All rows of some inputs; see `stream` for many.

        Args:
            inputs: a path, glob, folder or encoded picture, or several.
            numbers: leave out the text.
        """
        return [row for looked in self.stream(inputs, numbers=numbers) for row in looked.rows]

    def stream(
        self,
        inputs: str | Path | bytes | Sequence[str | Path | bytes | Input],
        *,
        numbers: bool = False,
    ) -> Iterator[Looked]:
        """Pictures in the order of the inputs, each as soon as its faces are answered.

        One bad input makes a row that says so; the others go on. Memory holds the pictures of at
        most one batch of faces.
        """
        items = [inputs] if isinstance(inputs, str | Path | bytes) else list(inputs)
        yield from self.stream_pictures(iter_pictures(items), numbers=numbers)

    def stream_pictures(
        self, pictures: Iterable[Picture], *, numbers: bool = False
    ) -> Iterator[Looked]:
        """As `stream`, from pictures that are in memory."""
        pending: deque[_Pending] = deque()
        queue: deque[tuple[_Pending, NDArray[np.uint8]]] = deque()
        for picture in pictures:
            faces = [] if picture.image is None else self.finder.find(picture.image)
            entry = _Pending(picture, faces, [])
            pending.append(entry)
            if picture.image is not None:
                queue.extend(
                    (entry, crop_face(picture.image, face, self.engine.crop_spec)) for face in faces
                )
            while len(queue) >= self.batch_size:
                self._answer(queue, numbers=numbers)
            yield from self._finished(pending)
        while queue:
            self._answer(queue, numbers=numbers)
        yield from self._finished(pending)

    def _answer(self, queue: deque[tuple[_Pending, NDArray[np.uint8]]], *, numbers: bool) -> None:
        """Answers the next batch of faces, in order."""
        batch = [queue.popleft() for _ in range(min(self.batch_size, len(queue)))]
        try:
            answers = self.engine.answer([crop for _, crop in batch], numbers_only=numbers)
        except EngineError as error:
            answers = [Answer(status="failed", warnings=(str(error),))] * len(batch)
        for (entry, _), answer in zip(batch, answers, strict=True):
            entry.answers.append(answer)

    def _finished(self, pending: deque[_Pending]) -> Iterator[Looked]:
        while pending and len(pending[0].answers) == len(pending[0].faces):
            entry = pending.popleft()
            yield Looked(
                entry.picture.source, entry.picture.image, entry.faces, list(self._rows(entry))
            )

    def _rows(self, entry: _Pending) -> Iterator[Analysis]:
        picture = entry.picture
        common: dict[str, Any] = {"source": picture.source, "model": self.engine.name}
        if picture.image is None:
            warning = picture.error or f"{picture.source}: could not be read"
            yield Analysis(**common, status="unreadable", warnings=(warning,))
        elif not entry.faces:
            yield Analysis(
                **common,
                status="no_face",
                warnings=(
                    *picture.warnings,
                    "no face was found; for a picture that is one face crop use --faces whole",
                ),
            )
        for number, (face, answer) in enumerate(zip(entry.faces, entry.answers, strict=True)):
            yield Analysis(
                **common,
                face=number,
                track=number,
                status=answer.status,
                box=face.box,
                detection=face.detection,
                pose=face.pose,
                expression=answer.expression,
                action_units=answer.action_units,
                text=answer.text,
                warnings=(*picture.warnings, *answer.warnings),
            )


def load(
    model: str = "mien/nano",
    *,
    faces: str = "mediapipe",
    device: str = "auto",
    batch_size: int = 16,
    endpoint: str | None = None,
    key_env: str | None = None,
) -> Analyzer:
    """An analyzer that can be used again and again.

    Args:
        model: "mien/nano", a folder, or any other form that `mien.engines.load.FORMS` lists.
        faces: "mediapipe", or "whole" for pictures that are one face crop each.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        batch_size: faces answered at a time.
        endpoint: address of an OpenAI-compatible endpoint, for models "openai:NAME".
        key_env: environment variable that holds its key.

    Raises:
        EngineError: if the model or the device cannot be had.
        ValueError: if there is no such finder.
    """
    finder = make_finder(faces)
    engine = load_engine(
        model, device=device, batch_size=batch_size, endpoint=endpoint, key_env=key_env
    )
    return Analyzer(engine, finder, batch_size=batch_size)


def analyze(
    inputs: str | Path | bytes | Sequence[str | Path | bytes],
    *,
    model: str = "mien/nano",
    faces: str = "mediapipe",
    numbers: bool = False,
    device: str = "auto",
    batch_size: int = 16,
    endpoint: str | None = None,
    key_env: str | None = None,
    as_frame: bool = False,
) -> list[Analysis] | pandas.DataFrame:
    """Analyses pictures in one call; `load` once instead if you call it often.

    Args:
        inputs: a path, glob, folder or encoded picture, or several.
        model, faces, device, batch_size, endpoint, key_env: as for `load`.
        numbers: leave out the text.
        as_frame: return a data frame with OpenFace's column names (needs pandas).
    """
    analyzer = load(
        model,
        faces=faces,
        device=device,
        batch_size=batch_size,
        endpoint=endpoint,
        key_env=key_env,
    )
    rows = analyzer.analyze(inputs, numbers=numbers)
    if not as_frame:
        return rows
    from mien.sinks import to_frame

    return to_frame(rows)
