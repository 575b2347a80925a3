"""Any Hugging Face model that reads pictures and text, on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mien.engines.base import EngineError
from mien.engines.batches import alike, batches
from mien.engines.chat_template import TalkRefusedError, written
from mien.engines.history import fitted, messages
from mien.engines.model_files import BROKEN, check_folder, loaded_whole, loading_error
from mien.engines.pictures import SURROUNDED
from mien.engines.pil_processor import load_processor
from mien.engines.plain_prompt import PLAIN_PROMPTS
from mien.engines.quantize import placed, quantized, quantized_as
from mien.engines.request import Reply, Request, Responder
from mien.engines.weights_hash import folder_hash
from mien.models.quiet import no_progress_bar


class HuggingFaceResponder(Responder):
    """Answers with a model that `AutoModelForImageTextToText` loads.

    Words are written greedily, in batches padded on the left. Options are scored by the sum of the
    log-probabilities of their tokens behind the prompt, each in a row of its own. Prompt and option
    are tokenised together, as they would be in training, and the sum begins where the rows of one
    request first differ from the prompt alone: a tokeniser that merges the prompt's end with an
    option's start is so scored right. Longer options have lower sums; normalise them if they are to
    be compared across lengths.

    Args:
        model, processor: as the Auto classes give them.
        name: as given to `--model`.
        device: where it runs.
        batch_size: requests (or options) at a time.
        source: folder or repository, for the identity.
    """

    crop_spec = SURROUNDED

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        device: torch.device,
        batch_size: int = 4,
        source: str | Path | None = None,
    ) -> None:
        if batch_size < 1:
            raise EngineError(f"batch_size is {batch_size}; it must be at least 1")
        self.model, self.processor = placed(model, device), processor
        self.name, self.device, self.batch_size = name, device, batch_size
        self.source = source
        self.plain = None if processor.chat_template else PLAIN_PROMPTS[model.config.model_type]
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        if self.plain is None:
            written(processor, messages("?", images=1))  # a damaged template is told at once

    @classmethod
    def load(
        cls,
        source: str,
        *,
        name: str,
        device: torch.device,
        batch_size: int = 4,
        quantize: str | None = None,
    ) -> HuggingFaceResponder:
        """Loads a repository or a folder.

        Raises:
            EngineError: if it is no such model, or something that it needs is missing.
        """
        from transformers import AutoConfig, AutoModelForImageTextToText

        dtype = _dtype(device)
        settings = quantized(quantize, device, dtype, kept=())
        if Path(source).is_dir():
            check_folder(Path(source), own=False)
        try:
            config = AutoConfig.from_pretrained(source)
            with no_progress_bar():
                load = AutoModelForImageTextToText.from_pretrained
                model = loaded_whole(load, source, own=False, dtype=dtype, **settings)
        except EngineError:
            raise
        except ImportError as error:
            first = str(error).strip().splitlines()[0]
            raise EngineError(f"model {name!r} needs a package that is missing: {first}") from error
        except BROKEN as error:
            raise loading_error(name, error) from error
        processor = load_processor(source, config)
        return cls(model, processor, name=name, device=device, batch_size=batch_size, source=source)

    def identity(self) -> Mapping[str, str]:
        import transformers

        config = self.model.config
        weights = getattr(config, "_commit_hash", None)
        if self.source is not None and Path(self.source).is_dir():
            weights = folder_hash(Path(self.source))
        return {
            "model": self.name,
            "architecture": type(self.model).__name__,
            "weights": str(weights),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            **({"quantized": how} if (how := quantized_as(self.model)) else {}),
            "decoding": "greedy",
            "transformers": transformers.__version__,
            "torch": torch.__version__,
        }

    def settings(self) -> Mapping[str, str]:
        return {"device": str(self.device), "batch size": str(self.batch_size)}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for batch in batches(requests, self.batch_size):
            for group in alike(batch, lambda r: (r.max_tokens, r.id if r.options else None)):
                yield from self._replies(group)

    def tokens(self, request: Request, text: str) -> Mapping[str, int]:
        request, _ = self._shortened(request)
        asked = self._inputs([self._prompt(request)], [request])["input_ids"].shape[1]
        said = self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return {"prompt_tokens": asked, "completion_tokens": len(said) + 1}

    def close(self) -> None:
        """Frees the model."""
        self.model = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _replies(self, group: Sequence[Request]) -> list[Reply]:
        """Replies of requests that go together; one that fails takes no other with it."""
        try:
            return [self._scored(group[0])] if group[0].options else self._write(group)
        except (ValueError, LookupError, TypeError, TalkRefusedError, torch.OutOfMemoryError) as e:
            if len(group) > 1:
                return [reply for request in group for reply in self._replies([request])]
            why = str(e).strip().splitlines()[0] if str(e).strip() else repr(e)
            return [Reply(group[0].id, "failed", error=why)]

    @torch.inference_mode()
    def _write(self, asked: Sequence[Request]) -> list[Reply]:
        group, cuts = zip(*(self._shortened(request) for request in asked), strict=True)
        inputs = self._inputs([self._prompt(request) for request in group], group)
        length = 0 if self._reads_apart() else inputs["input_ids"].shape[1]
        out = self.model.generate(
            **inputs,
            max_new_tokens=group[0].max_tokens,
            do_sample=False,
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )
        texts = self.processor.tokenizer.batch_decode(out[:, length:], skip_special_tokens=True)
        return [
            Reply(request.id, text=text.strip(), warnings=cut)
            for request, text, cut in zip(group, texts, cuts, strict=True)
        ]

    @torch.inference_mode()
    def _scored(self, request: Request) -> Reply:
        if len(set(request.options)) < len(request.options) or "" in request.options:
            raise ValueError("options are empty or stand twice")
        space = "" if self.plain is None else self.plain.before_option
        if space is None or self._reads_apart():
            raise ValueError("the likelihood of options cannot be had from this kind of model")
        prompt = self._prompt(request)
        alone = self._real_ids(self._inputs([prompt], [request]))[0]
        rows = [prompt + space + option for option in request.options]
        shared, scores = len(alone), list[float]()
        tokenised = [self._real_ids(self._inputs([row], [request]))[0] for row in rows]
        for ids in tokenised:
            shared = min(shared, _common(alone, ids))
        for start in range(0, len(rows), self.batch_size):
            part = rows[start : start + self.batch_size]
            inputs = self._inputs(part, [request] * len(part))
            logits = self.model(**inputs, use_cache=False).logits.float()  # (B, L, V)
            steps = logits[:, :-1].log_softmax(-1)
            targets = inputs["input_ids"][:, 1:]  # (B, L - 1)
            chosen = steps.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
            for row, mask in zip(chosen, inputs["attention_mask"], strict=True):
                scored = int(mask.sum()) - shared
                scores.append(float(row[-scored:].sum()))
        return Reply(request.id, option_scores=dict(zip(request.options, scores, strict=True)))

    def _prompt(self, request: Request) -> str:
        """The conversation as text, up to the answer."""
        if self.plain is not None:
            return self.plain.written(request, str(self.processor.image_token))
        talk = messages(request.prompt, request.history, images=len(request.images))
        if request.system:
            system = [{"type": "text", "text": request.system}]
            talk.insert(0, {"role": "system", "content": system})
        return written(self.processor, talk)

    def _shortened(self, request: Request) -> tuple[Request, tuple[str, ...]]:
        """A request as far as the model can take it, and what was left out."""
        if self.plain is None:
            return fitted(request, self._fits)
        if not request.history:
            return request, ()
        return replace(request, history=()), (
            "earlier turns were left out, as this model answers single questions",
        )

    def _reads_apart(self) -> bool:
        """Whether an encoder reads the prompt, so that what is written does not begin with it."""
        config = self.model.config
        text = getattr(config, "text_config", config)
        return bool(config.is_encoder_decoder or getattr(text, "is_encoder_decoder", False))

    def _fits(self, request: Request) -> bool:
        """Whether prompt, pictures and answer fit into the positions of the model."""
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit is None:
            return True
        length = self._inputs([self._prompt(request)], [request])["input_ids"].shape[1]
        return bool(length + request.max_tokens <= limit)

    def _inputs(self, texts: list[str], group: Sequence[Request]) -> dict[str, torch.Tensor]:
        """Model inputs of texts with their pictures, padded on the left."""
        bos = self.processor.tokenizer.bos_token
        written = bool(bos) and texts[0].startswith(bos)  # by the chat template
        images = [[Image.fromarray(image) for image in r.images] for r in group]
        inputs = self.processor(
            text=texts,
            images=images if any(images) else None,
            padding=True,
            padding_side="left",
            add_special_tokens=not written,
            return_tensors="pt",
        ).to(self.device)
        made = {
            name: value.to(self.model.dtype) if value.is_floating_point() else value
            for name, value in inputs.items()
        }
        if "qformer_input_ids" in made:
            made |= self._qformer_inputs(made)
        return made

    def _qformer_inputs(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A Q-Former's texts padded on the right, as far as it has positions.

        It counts positions from the first column, whatever the mask says.
        """
        limit = self.model.config.qformer_config.max_position_embeddings
        ids, mask = inputs["qformer_input_ids"], inputs["qformer_attention_mask"].bool()
        rows = [row[real][:limit] for row, real in zip(ids, mask, strict=True)]
        pad = self.processor.qformer_tokenizer.pad_token_id or 0
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
        lengths = torch.tensor([len(row) for row in rows], device=ids.device)
        kept = torch.arange(padded.shape[1], device=ids.device) < lengths[:, None]
        return {"qformer_input_ids": padded, "qformer_attention_mask": kept.to(ids.dtype)}

    def _real_ids(self, inputs: dict[str, torch.Tensor]) -> list[list[int]]:
        """Token ids without padding."""
        pairs = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        return [ids[mask.bool()].tolist() for ids, mask in pairs]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _dtype(device: torch.device) -> torch.dtype:
    """Half precision is slow on most CPUs, and bfloat16 is missing on some accelerators."""
    if device.type == "cpu":
        return torch.float32
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16
