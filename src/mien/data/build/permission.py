"""Whether pictures may leave this machine, and what their owners say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mien.data.build.settings import BuildError
from mien.data.build.sources import Terms
from mien.engines.request import Responder


def check_upload(
    responder: Responder,
    terms: Mapping[str, Terms],
    *,
    allowed: bool,
    ask: Callable[[str], bool] = lambda question: False,
) -> list[str]:
    """What to print before pictures are sent away; empty where they stay here.

    Args:
        responder: the teacher.
        terms: of each source.
        allowed: whether the user allows it.
        ask: asks the user, where nothing is allowed yet.

    Raises:
        BuildError: if pictures would be sent away and that is not allowed.
    """
    host = responder.sends_to
    if host is None:
        return []
    lines = [f"{t.title} ({name}): {t.licence}; {t.access}" for name, t in terms.items()]
    question = f"The terms of the pictures: {'; '.join(lines)}. Send them to {host}?"
    if not allowed and not ask(question):
        raise BuildError(
            f"the teacher {responder.name} would send pictures to {host}. Their terms: "
            + "; ".join(lines)
            + ". If these allow it, add --yes; else use a model on this machine"
        )
    return [f"pictures are sent to {host}; their terms:", *(f"  {line}" for line in lines)]
