import sys
import time
from types import SimpleNamespace

import pytest
import torch

from mien.engines.base import EngineError
from mien.engines.chat_template import LONGEST_TEMPLATE, TalkRefusedError, check_file, written
from mien.engines.history import messages
from mien.engines.hugging_face import HuggingFaceResponder
from tests.engines.tiny_chat import TEMPLATE, save_llava, tiny_tokenizer

TALK = messages("How is it?", [("Who?", "She.")], images=1)
LOOP = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
DOUBLING = (
    "{% set n = namespace(t='ab') %}"
    "{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }}"
)


def speaker(template):
    """The parts of a processor that write a talk."""
    tokenizer = tiny_tokenizer(template)

    def apply(talk, **options):
        return tokenizer.apply_chat_template(talk, tokenize=False, **options)

    return SimpleNamespace(tokenizer=tokenizer, chat_template=template, apply_chat_template=apply)


def test_a_sound_template_writes_what_it_would_write_alone():
    processor = speaker(TEMPLATE)
    before = sys.gettrace()
    alone = processor.apply_chat_template(TALK, add_generation_prompt=True)
    assert written(processor, TALK) == alone
    assert "How is it?" in alone
    assert sys.gettrace() is before


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(10**9) %}x{% endfor %}",
        LOOP,
        DOUBLING,
        "{% set a = 'ab' %}" + "{% set a = a + a %}" * 60,
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ 'x' * 20000000 }}",
        "{{ 'x' * 10**10 }}",
        "{{ [0] * 10**10 }}",
        "{% set a = 10000000000 %}{{ a * 'x' }}",
        "{{ 10**(10**10) }}",
        "{% for i in range(10**12) %}x{% endfor %}",
        "{{ range(10**12)|list }}",
        "{{ 'x'.ljust(10000000000) }}",
        "{{ 'x'|center(10000000000) }}",
        "{{ '%010000000000d' % 1 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ ('x' * 9000000).replace('x', 'y' * 9000000) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for m in messages %}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content.pop() }}",
        "x" * (LONGEST_TEMPLATE + 1),
    ],
    ids=lambda template: template[:40],
)
def test_a_template_without_end_or_sense_is_one_error(template):
    start, before = time.process_time(), sys.gettrace()
    with pytest.raises(EngineError) as caught:
        written(speaker(template), TALK)
    assert not isinstance(caught.value, TalkRefusedError)
    assert "\n" not in str(caught.value)
    assert time.process_time() - start < 30
    assert sys.gettrace() is before


def test_small_products_are_what_they_are():
    template = "{{ 'ab' * 3 }} {{ 2 * 'x' }} {{ 2 ** 3 * 4 }} {{ 1.5 * 2 }} {{ ([0] * 2)|length }}"
    assert written(speaker(template), TALK) == "ababab xx 32 3.0 2"
    assert written(speaker("{{ -1 * 5 }}{{ 2 ** -1 }}"), TALK) == "-50.5"


def test_each_step_looks_at_the_clock(monkeypatch):
    monkeypatch.setattr("mien.engines.chat_template.LONGEST_SECONDS", 0.2)
    slow = "{% set t = 'ab' * 4000000 %}{% for i in range(90000) %}{{ t.count('c') }}{% endfor %}"
    with pytest.raises(EngineError, match=r"0\.2 seconds"):
        written(speaker(slow), TALK)


def test_a_template_may_refuse_a_talk():
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}x"
    with pytest.raises(TalkRefusedError, match="no system"):
        written(speaker(refusing), [{"role": "system", "content": "?"}, *TALK])
    assert written(speaker(refusing), TALK) == "x"


def test_the_error_names_the_file(tmp_path):
    save_llava(tmp_path)
    file = tmp_path / "chat_template.jinja"
    file.write_text(LOOP)
    with pytest.raises(EngineError) as caught:
        HuggingFaceResponder.load(str(tmp_path), name="x", device=torch.device("cpu"))
    assert str(file) in str(caught.value)
    file.write_bytes(b"x" * (LONGEST_TEMPLATE + 1))
    with pytest.raises(EngineError) as caught:
        check_file(tmp_path)
    assert str(file) in str(caught.value)
