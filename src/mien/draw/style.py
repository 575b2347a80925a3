"""What all marks on a picture share: colours, sizes that follow the faces, and room."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from PIL import ImageFont

from mien.schema import Analysis, Box

COLOURS = {
    "neutral": "#bdbdbd",
    "happiness": "#e69f00",
    "sadness": "#2f8fd0",
    "surprise": "#f0e442",
    "fear": "#cc79a7",
    "disgust": "#009e73",
    "anger": "#e8601c",
    "contempt": "#56b4e9",
    "anxiety": "#aa4499",
    "helplessness": "#44aa99",
    "disappointment": "#999933",
    "other": "#dddddd",
}
"""A colour per expression, after Okabe and Ito (2008): told apart with any colour vision. The name
of the expression always stands beside it."""

UNKNOWN_COLOUR = "#e0e0e0"


def colour_of(row: Analysis) -> str:
    """Hex colour of a row's expression."""
    label = row.expression.label if row.expression is not None else None
    return COLOURS.get(label or "", UNKNOWN_COLOUR)


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes of the marks of one face, in pixels.

    Attributes:
        line: width of lines.
        letters: size of letters.
        pad: room around words.
        leading: from line to line of words.
    """

    line: int
    letters: int
    pad: int
    leading: int

    @classmethod
    def for_face(cls, size: tuple[int, int], box: Box | None, magnify: float = 1.0) -> Style:
        """Sizes for a face in a picture of a size; letters shrink with the face.

        Args:
            size: width and height of the picture.
            box: of the face, in its pixels; None for words about the whole picture.
            magnify: makes letters larger.
        """
        long_side = max(size)
        face = box[2] - box[0] if box is not None else long_side / 4
        # Small faces have small words, so that a crowd stays readable, but none too small to read.
        letters = min(max(0.1 * face, long_side / 110, 11), max(long_side / 38, 14))
        return cls.of(round(magnify * letters), line=max(2, round(long_side / 400)))

    @classmethod
    def of(cls, letters: int, *, line: int) -> Style:
        """The style with letters of this size."""
        return cls(line, letters, pad=max(2, letters // 4), leading=round(letters * 1.25))

    def smaller(self) -> Style:
        """For what stands beside the chief words."""
        return Style.of(max(11, round(0.8 * self.letters)), line=self.line)

    @property
    def font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """The letters."""
        return _font(self.letters)

    def width(self, text: str) -> int:
        """Width of a line of words."""
        return int(self.font.getlength(text)) + 1


@cache
def _font(letters: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(letters)


def hidden(box: Box, by: Box) -> float:
    """Share of a box that lies under another."""
    w = min(box[2], by[2]) - max(box[0], by[0])
    h = min(box[3], by[3]) - max(box[1], by[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return w * h / area if w > 0 and h > 0 and area > 0 else 0.0
