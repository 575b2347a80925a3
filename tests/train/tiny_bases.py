"""Tiny random bases, saved as their makers save them."""

import string

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BlipImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    LlamaTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

# What llava-hf's checkpoints are saved with: a line break behind the picture.
LLAVA_TEMPLATE = """\
{% for message in messages %}{% if message['role'] != 'system' %}\
{{ message['role'].upper() + ': '}}\
{% endif %}{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}\
{% endfor %}{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' '}}\
{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"""

VIT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
SMALL = {"conv_channels": [4, 8], "crop_size": 16, "lca_num_heads": 2, "mpp_num_heads": 2}


def llama_tokenizer(*, legacy: bool) -> LlamaTokenizer:
    """Bytes and characters, in which a space melts with the letter behind it."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁"]
    printable = [c for c in string.printable if c.isprintable() and c != " "]
    tokens += [*printable, *(f"▁{c}" for c in string.ascii_letters)]
    return LlamaTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=[("▁", c) for c in string.ascii_letters],
        legacy=legacy,
        add_bos_token=True,
        pad_token="<pad>",
        extra_special_tokens=["<image>"],
    )


def decoder(vocabulary: int, **changes) -> dict:
    fields = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,
    }
    return {**fields, **changes}


def save_llava(folder, *, legacy: bool = False) -> LlavaForConditionalGeneration:
    torch.manual_seed(0)
    tokenizer = llama_tokenizer(legacy=legacy)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VIT),
        text_config=LlamaConfig(**decoder(len(tokenizer))),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = LlavaForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.model.multi_modal_projector.linear_1.weight)
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    ).save_pretrained(folder)
    return model


def save_siglip(folder) -> None:
    torch.manual_seed(0)
    config = SiglipConfig(vision_config=VIT, text_config={**VIT, "vocab_size": 50})
    SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def save_qwen(folder) -> Qwen2ForCausalLM:
    """A decoder whose tokenizer knows ChatML and no picture."""
    torch.manual_seed(0)
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(["What does the face show? Happiness."], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(folder)
    model = Qwen2ForCausalLM(
        Qwen2Config(**decoder(len(tokenizer)), tie_word_embeddings=True, eos_token_id=2)
    ).eval()
    model.save_pretrained(folder)
    return model


def save_instructblip(folder) -> InstructBlipForConditionalGeneration:
    torch.manual_seed(0)
    tokenizer = llama_tokenizer(legacy=False)
    eva = InstructBlipVisionConfig(**{**VIT, "num_hidden_layers": 2})
    config = InstructBlipConfig(
        vision_config=eva,
        qformer_config=InstructBlipQFormerConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            encoder_hidden_size=16,
        ),
        text_config=LlamaConfig(**decoder(len(tokenizer))),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = InstructBlipForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tokenizer.save_pretrained(folder / "qformer_tokenizer")
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return model
