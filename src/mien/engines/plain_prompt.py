"""Prompt forms of families that were published without a chat template."""

from __future__ import annotations

from dataclasses import dataclass

from mien.engines.request import Request


@dataclass(frozen=True, slots=True)
class PlainPrompt:
    """How a family is asked.

    Attributes:
        form: with `{question}`.
        most_pictures: that one question may be about; at least one is needed.
        marks_pictures: whether a mark for each picture stands before the text.
        one_line: whether a line break ends the question.
        before_option: what stands between prompt and answer; None where the processor ends the
            prompt by itself, so that no answer can be put behind it.
    """

    form: str
    most_pictures: int | None
    marks_pictures: bool
    one_line: bool
    before_option: str | None

    def written(self, request: Request, mark: str) -> str:
        """The prompt of a request, without the earlier turns, for which there is no form.

        Args:
            request: with its pictures.
            mark: what stands for a picture.

        Raises:
            ValueError: if there are too many pictures, or none.
        """
        count = len(request.images)
        if not count or (self.most_pictures is not None and count > self.most_pictures):
            wanted = "one picture" if self.most_pictures == 1 else "at least one picture"
            raise ValueError(f"this model answers about {wanted}, and here are {count}")
        parts = [part for part in (request.system, request.prompt) if part]
        question = "\n".join(parts).replace(mark, "")
        if self.one_line:
            question = " ".join(question.split())
        return mark * count * self.marks_pictures + self.form.format(question=question)


PLAIN_PROMPTS = {
    # Dai et al. 2023, arXiv 2305.06500, templates of visual question answering.
    "instructblip": PlainPrompt("Question: {question} Short answer:", 1, False, False, " "),
    # Beyer et al. 2024, arXiv 2407.07726, section 3.2; its processor adds <bos> and the line break.
    "paligemma": PlainPrompt("answer en {question}", None, True, True, None),
}
"""By `model_type`; only forms that the authors published."""
