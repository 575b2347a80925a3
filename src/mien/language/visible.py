"""What of a model's text is its answer: thoughts, frames and turns of others are left out."""

from __future__ import annotations

import re

from mien.language.mentions import UnreadableError

LONGEST = 2_000_000
"""Characters of a text that is read at all, thoughts included."""
LONGEST_ANSWER = 50_000
"""Characters of what stands behind the thoughts."""

_THOUGHTS = (
    r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|cot"
    r"|antthinking|chain_of_thought)"
)
_OPENS = re.compile(
    rf"<{_THOUGHTS}>|\[think(?:ing)?\]|\u25c1think\u25b7|<[|\uff5c](?:start_thinking|think|thinking"
    r"|begin_of_thought|inner_prefix)[|\uff5c]>|<\|channel>\s*thought|<unused94>"
    r"|\bhere is my thought process:|\bhere are my reasoning steps:",
    re.IGNORECASE,
)
_CLOSES = re.compile(
    rf"</{_THOUGHTS}>|\[/think(?:ing)?\]|\u25c1/think\u25b7|<[|\uff5c](?:end_thinking|/think|/thinking"
    r"|end_of_thought|inner_suffix)[|\uff5c]>|<channel\|>|<unused95>"
    r"|\bhere is my response:|\[begin final response\]",
    re.IGNORECASE,
)
# gpt-oss: channels, and what is left of their marks where a server drops special tokens
_FINAL = re.compile(
    r"<\|channel\|>\s*final[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>|assistantfinal"
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(?:analysis|commentary)|\A\s*analysis(?=[A-Z])")
_ANSWER = r"(?:final_?answer|answer|output|response|conclusion|result|final)"
_BEGIN = re.compile(
    rf"<{_ANSWER}>|<\|(?:begin_of_box|start_response|begin_of_solution)\|>|\\boxed\s*\{{"
    r"(?:\\text\s*\{)?",
    re.IGNORECASE,
)
_END = re.compile(rf"</{_ANSWER}>|<\|(?:end_of_box|end_response|end_of_solution)\|>", re.IGNORECASE)
_END_BOXED = re.compile(r"\}{1,2}")
_HEAD = re.compile(
    r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|im_start\|>\s*assistant|<\|start\|>\s*assistant"
    r"|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<start_of_turn>\s*model"
    r"|<\|assistant\|>|<\|message\|>|\[/INST\]|(?:assistant|model)\s*\n|assistant\s*:)\s*",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"<[|\uff5c](?:im_end|im_start|eot_id|eom_id|end|endoftext|end_of_text|return|user|system"
    r"|start_header_id|end_of_turn_token|end_of_turn|end[_\u2581]of[_\u2581]sentence)[|\uff5c]>"
    r"|<(?:end_of_turn|start_of_turn|eos|end_of_utterance)>|</s>|\[/?INST\]"
    r"|\[end final response\]|\n[ \t]*(?:###[ \t]*)?(?:user|human|instruction)\s*:",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\bwait\b(?=\s*[,.!:-]|\s+no\b)|\bhold\s+on\b|\bhm{2,}\b|\bon\s+second\s+thoughts?\b"
    r"|\bscratch\s+that\b|\blet\s+me\s+(?:re-?think|re-?check|re-?consider|think\s+again)\b"
    r"|\bactually,?\s+no\b|\bcorrection\s*:",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"\b(?:final\s+(?:answer|label|decision)|answer)\b[\"'*]*\s*(?:is|:)", re.IGNORECASE
)


def visible(text: str) -> str:
    """The answer in a text as a model or a server gave it.

    Of a model that thinks only what stands behind the end of its thoughts counts, whether or not
    they have a beginning. Of an answer within marks only what the marks hold and what follows them
    counts. What stands behind the end of the turn is no answer. Of a model that thinks aloud and
    changes its mind only its last word counts, where that says that it is the last.

    Raises:
        UnreadableError: if the text is too long, ends inside its thoughts, or doubts itself last.
    """
    if len(text) > LONGEST:
        raise UnreadableError(f"longer than {LONGEST} characters")
    text = _behind_thoughts(_without_heads(text))
    if len(text) > LONGEST_ANSWER:
        raise UnreadableError(f"an answer of more than {LONGEST_ANSWER} characters")
    text = _without_heads(text)
    for turn in _TURN.finditer(text):
        if text[: turn.start()].strip():
            text = text[: turn.start()]
            break
    return _last_word(_within_marks(text)).strip()


def narrow(text: str) -> str:
    """The text with no run of white space that a pattern could try again and again."""
    return re.sub(r"\n(?: ?\n)+", "\n\n", re.sub(r"[^\S\n]+", " ", text))


def _without_heads(text: str) -> str:
    start = 0
    while (head := _HEAD.match(text, start)) is not None:
        start = head.end()
    return text[start:]


def _behind_thoughts(text: str) -> str:
    finals = list(_FINAL.finditer(text))
    if finals:
        text = text[finals[-1].end() :]
    elif _CHANNEL.search(text):
        raise UnreadableError("the text ends inside its thoughts")
    end = max((mark.end() for mark in _CLOSES.finditer(text)), default=0)
    if _OPENS.search(text, end):
        raise UnreadableError("the text ends inside its thoughts")
    return text[end:]


def _within_marks(text: str) -> str:
    parts, position = list[str](), 0
    while (begin := _BEGIN.search(text, position)) is not None:
        ends = _END_BOXED if begin[0].startswith("\\") else _END
        end = ends.search(text, begin.end())
        position = end.end() if end else len(text)
        part = text[begin.end() : end.start() if end else len(text)]
        if ends is _END and "\\boxed" in part:
            part = _within_marks(part[part.index("\\boxed") :])
        parts.append(_BEGIN.sub(" ", part))
    if len({part.strip().casefold() for part in parts}) > 1:
        raise UnreadableError("two answers")
    if parts:
        return f"{parts[0]}\n{_END.sub(' ', text[position:])}"
    alone = _END.search(text)  # the beginning was part of the prompt
    return text[: alone.start()] if alone else text


def _last_word(text: str) -> str:
    doubts = [mark.end() for mark in _DOUBT.finditer(text)]
    if not doubts:
        return text
    last = [mark.start() for mark in _CONCLUDES.finditer(text, doubts[-1])]
    if not last:
        raise UnreadableError("the text changes its mind")
    return text[last[-1] :]
