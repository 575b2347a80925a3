"""The chat template that mien's models share, and where the answers stand in its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

# Pictures and clips come first (FEALLM's input order: visual tokens, F_local, text). The answer and
# its end lie between {% generation %} marks, from which the training labels are made.
CHAT_TEMPLATE = """\
{%- if bos_token is defined and bos_token %}{{ bos_token }}{% endif -%}
{%- for message in messages -%}
{%- set items = message['content'] -%}
{%- if items is string -%}{%- set items = [{'type': 'text', 'text': items}] -%}{%- endif -%}
{%- if message['role'] == 'assistant' -%}
{{ '<assistant>' }}
{%- generation -%}
{%- for item in items if item['type'] == 'text' -%}{{ item['text'] }}{%- endfor -%}{{ eos_token }}
{%- endgeneration -%}
{%- else -%}
{{ '<user>' }}
{%- for item in items if item['type'] in ('image', 'video') -%}{{ '<image>' }}{%- endfor -%}
{%- for item in items if item['type'] == 'text' -%}{{ item['text'] }}{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<assistant>' }}{%- endif -%}
"""


def render(
    processor: Any, conversations: Sequence[Any], chat_template: str | None, **kwargs: Any
) -> tuple[list[str], list[list[tuple[int, int]]]]:
    """Conversations as text, and where in it the answers stand.

    Args:
        processor: with a tokenizer and a chat template.
        conversations: lists of messages.
        chat_template: instead of the processor's.
        **kwargs: for the template, such as ``add_generation_prompt``.

    Returns:
        Per conversation its text and its answers as (start, end).
    """
    write: Any = render_jinja_template  # annotated as a string, gives texts and spans
    texts, spans = write(
        conversations=list(conversations),
        chat_template=chat_template or processor.chat_template,
        return_assistant_tokens_mask=True,
        **{**processor.tokenizer.special_tokens_map, **kwargs},
    )
    return texts, spans


def answer_mask(
    text: str, answers: Any, offsets: Any, *, image_token: str, added: Sequence[int]
) -> list[int]:
    """1 at every token that overlaps one of the answers.

    Args:
        text: with one ``image_token`` for each picture.
        answers: (start, end) in ``text``.
        offsets: (start, end) of each token in the text whose pictures are written out.
        image_token: what stands for a picture.
        added: characters by which each picture's place has grown, in order.
    """

    def moved(at: int) -> int:
        return at + sum(added[: text.count(image_token, 0, at)])

    spans = [(moved(start), moved(end)) for start, end in answers]
    return [
        int(any(start < last and end > first for first, last in spans))
        for start, end in ((int(o[0]), int(o[1])) for o in offsets)
    ]
