"""Any prompt about a clip, answered by a model of mien's own that reads clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.batches import alike
from mien.engines.local_model import Clip
from mien.engines.local_responder import LocalResponder, picture_key, words_of
from mien.engines.request import Reply, Request
from mien.models.priors import FacePriors
from mien.schema import Face


class LocalClipResponder(LocalResponder):
    """A `LocalResponder` with a model that reads clips, and priors of each face (EMO-LLaMA).

    The pictures of a request are the frames of one clip, which is read as a whole. Clips that stand
    in a batch more than once are looked at once; their tokens are made anew for each question,
    which the model reads them with.
    """

    def face_priors(
        self, image: NDArray[np.uint8], faces: Sequence[Face]
    ) -> list[FacePriors | None]:
        """See `mien.engines.base.ReadsPriors.face_priors`."""
        assert self.core.faces is not None  # a model that reads clips has one
        return self.core.faces.read(faces)

    @torch.inference_mode()
    def _answer(self, batch: list[Request]) -> list[Reply]:
        rows: dict[tuple[object, ...], int] = {}
        clips: list[Clip] = []
        priors: list[Sequence[FacePriors | None]] = []
        places: dict[str, int] = {}
        for request in batch:
            key = (*map(picture_key, request.images), *map(id, request.priors))
            if key not in rows:
                rows[key] = len(clips)
                clips.append(request.images)
                priors.append(request.priors or [None] * len(request.images))
            places[request.id] = rows[key]
        seen = self.core.look(clips, priors)
        numbers = {r.id: self._numbers(seen, [places[r.id]]) for r in batch}
        replies: list[Reply] = []
        for group in alike(batch, lambda r: (r.options, 0 if r.options else r.max_tokens)):
            asked = [_instruction(request) for request in group]
            features = self.core.look_again(seen, [places[r.id] for r in group], asked)
            replies += self._replies(group, features, numbers)
        return replies

    def _question(self, request: Request) -> str:
        frames, priors = len(request.images), request.priors or None
        return self.core.ask(*words_of(request), frames=frames, priors=priors)

    def _remarks(self, request: Request) -> tuple[str, ...]:
        return ()


def _instruction(request: Request) -> str:
    """The words of the message that shows the clip."""
    prompt, history = words_of(request)
    return history[0][0] if history else prompt
