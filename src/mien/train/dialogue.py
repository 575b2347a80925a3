"""How a start model is spoken to: its chat template, and the tokens that it needs for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from mien.language import TASKS, prompts
from mien.models.chat import render

IMAGE = "<image>"
TEMPLATES = ("vicuna", "chatml")
"""Templates inside the package: `USER: ... ASSISTANT: ...` and `<|im_start|>user ...`."""

_CHATML = ("<|im_start|>", "<|im_end|>")
# A template's first words may need a space behind the first token, and the words behind the
# picture a line break, to become the tokens that the base knows.
_LEADS, _BREAKS = ("", " "), ("", "\\n", " ")


@dataclass(frozen=True)
class Dialogue:
    """A template that writes what the base would, but for one token behind the picture.

    Attributes:
        template: Jinja template.
        break_id: the base's token in the place where F_local will stand.
    """

    template: str
    break_id: int


def chat_template(name: str | None, tokenizer: Any) -> str:
    """A template by name, or from a file.

    Args:
        name: one of `TEMPLATES`, or a Jinja file; None takes ChatML where the tokenizer knows it.
        tokenizer: of the language model.

    Raises:
        ValueError: if there is no such template.
    """
    if name is None:
        name = "chatml" if _knows(tokenizer, _CHATML) else "vicuna"
    if name in TEMPLATES:
        place = resources.files("mien.train") / "templates" / f"{name}.jinja"
        return place.read_text(encoding="utf-8").rstrip("\n")
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"template {name!r} is none of {', '.join(TEMPLATES)} and no file that can be read"
        ) from error


def add_tokens(tokenizer: Any) -> None:
    """Gives a tokenizer `<image>` and padding where it lacks them, and pads on the left."""
    if not _knows(tokenizer, (IMAGE,)):
        tokenizer.add_tokens([IMAGE], special_tokens=True)
    if tokenizer.pad_token is None and tokenizer.unk_token is not None:
        tokenizer.pad_token = tokenizer.unk_token
    elif tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.padding_side = "left"


def end_tokens(template: str, tokenizer: Any, known: Any) -> list[int]:
    """Tokens at which an answer ends: what the base stops at, and what the template writes.

    Args:
        template: Jinja template.
        tokenizer: of the language model.
        known: `eos_token_id` of the base's generation config.
    """
    found = [known] if isinstance(known, int) else list(known or [])
    end = "<|im_end|>" if "<|im_end|>" in template else tokenizer.eos_token
    own = tokenizer.convert_tokens_to_ids(end)
    return found if own in found else [*found, own]


def like_the_base(template: str, tokenizer: Any, base: Any) -> Dialogue | None:
    """A variant of a template whose tokens are the base's, with F_local in one of their places.

    Args:
        template: Jinja template, which writes a line break behind each picture.
        tokenizer: of the start model; the base's own, perhaps without its legacy spaces.
        base: the base's processor, with its chat template.

    Returns:
        None where no variant writes the same tokens before all of mien's prompts.
    """
    asked = [text for task in TASKS for text in prompts(task)]
    wanted = [_base_ids(base, text) for text in asked]
    for variant in _variants(template):
        found = {
            _one_token_less(ids, _own_ids(variant, tokenizer, text), tokenizer)
            for ids, text in zip(wanted, asked, strict=True)
        }
        if len(found) == 1 and None not in found:
            return Dialogue(variant, found.pop() or 0)
    return None


def without_legacy(base: str) -> Any:
    """A Llama tokenizer that puts a space before the first word alone, not behind every mark.

    Old ones put it behind every special token too, so that no text behind a picture begins with
    the bare line break that their models were trained on.

    Args:
        base: name or folder.
    """
    from tokenizers import pre_tokenizers

    tokenizer = AutoTokenizer.from_pretrained(base, legacy=False)
    core = tokenizer.backend_tokenizer
    layout = json.loads(core.to_str())
    steps = layout["normalizer"] or {}
    prepends = {step["type"] for step in steps.get("normalizers", [steps]) if step} == {
        "Prepend",
        "Replace",
    }
    if prepends or (layout["pre_tokenizer"] or {}).get("prepend_scheme") == "always":
        core.normalizer = None if prepends else core.normalizer
        core.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    return tokenizer


def _variants(template: str) -> Iterator[str]:
    for lead in _LEADS:
        for line in _BREAKS:
            yield template.replace("{{ '' }}", f"{{{{ '{lead}' }}}}").replace(
                f"'{IMAGE}\\n'", f"'{IMAGE}{line}'"
            )


def _one_token_less(base: Sequence[int], own: Sequence[int], tokenizer: Any) -> int | None:
    """The token behind the picture that the base has and we have not, if that is all."""
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    if base.count(image) != 1:
        return None
    at = base.index(image) + 1
    return base[at] if [*base[:at], *base[at + 1 :]] == list(own) else None


def _messages(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]


def _base_ids(base: Any, text: str) -> list[int]:
    written = base.apply_chat_template(_messages(text), add_generation_prompt=True)
    bos = base.tokenizer.bos_token
    special = not (bos and written.startswith(bos))
    ids: list[int] = base.tokenizer(written, add_special_tokens=special)["input_ids"]
    return ids


def _own_ids(template: str, tokenizer: Any, text: str) -> list[int]:
    class Speaker:
        chat_template = template

    speaker: Any = Speaker()
    speaker.tokenizer = tokenizer
    (written,), _ = render(speaker, [_messages(text)], None, add_generation_prompt=True)
    ids: list[int] = tokenizer(written, add_special_tokens=False)["input_ids"]
    return ids


def _knows(tokenizer: Any, tokens: Sequence[str]) -> bool:
    """Whether each of them is one token."""
    vocabulary = tokenizer.get_vocab()
    return all(token in vocabulary for token in tokens)
