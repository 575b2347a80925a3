"""Answers that were given before, read from a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mien.engines.base import Answer, EngineError
from mien.engines.pictures import SURROUNDED
from mien.engines.request import Reply, Request
from mien.engines.weights_hash import file_hash
from mien.facs import LABEL_SETS
from mien.schema import ActionUnit, Expression

TEXT_FIELDS = ("text", "prediction", "response", "answer", "output")
"""Where the words may stand, the first that is there."""


class RecordedResponder:
    """Gives the recorded answer of each request's id.

    A line is an object with `id` and one of `TEXT_FIELDS`. What `mien bench` stores is read too:
    its first line is a header, a failed answer may be followed by one that is not, and `error`,
    `option_scores`, `expression` and `units` are given back as they were. The file is indexed once
    and read line by line, so that memory holds no text.

    Args:
        path: the file.
        name: as given to `--model`.

    Raises:
        EngineError: if the file cannot be read, a line is no such object, or an id has two
            answers.
    """

    crop_spec = SURROUNDED

    def __init__(self, path: Path | str, *, name: str) -> None:
        self.path, self.name = Path(path), name
        try:
            self._file = self.path.open("rb")
            self._places = self._index()
        except OSError as error:
            why = error.strerror or error
            raise EngineError(
                f"{path}: cannot be read ({why}); give a file of JSON lines"
            ) from error

    def identity(self) -> Mapping[str, str]:
        """See `Responder.identity`."""
        return {"model": self.name, "file": file_hash(self.path)}

    def settings(self) -> Mapping[str, str]:
        """See `Responder.settings`."""
        return {"file": str(self.path), "answers": str(len(self._places))}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """See `Responder.respond`."""
        for request in requests:
            place = self._places.get(request.id)
            if place is None:
                yield Reply(request.id, "failed", error="no recorded answer")
                continue
            self._file.seek(place[0])
            yield _reply(request.id, json.loads(self._file.readline()))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _index(self) -> dict[str, tuple[int, int, bool]]:
        """Id to place in the file, number of the line and whether it is an answer."""
        places: dict[str, tuple[int, int, bool]] = {}
        place, header = 0, False
        for number, line in enumerate(self._file, 1):
            start, place = place, place + len(line)
            if not line.strip():
                continue
            if header and not line.endswith(b"\n"):
                break  # a run that was killed in the middle of a line
            where = f"{self.path}, line {number}"
            row = _row(line, where)
            if number == 1 and "id" not in row and {"version", "identity"} <= row.keys():
                header = True
                continue
            id, answered = _checked(row, where), row.get("status", "ok") == "ok"
            if id in places and places[id][2]:
                raise EngineError(
                    f"{where}: id {id!r} is answered in line {places[id][1]} already; keep one"
                )
            places[id] = start, number, answered
        return places


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EngineError(f"{where}: not a line of JSON ({error})") from None
    if not isinstance(row, dict):
        raise EngineError(f"{where}: is no JSON object")
    return row


def _checked(row: Mapping[str, Any], where: str) -> str:
    """Id of a line that can be given back.

    Raises:
        EngineError: if it cannot.
    """
    if not isinstance(row.get("id"), str | int):
        raise EngineError(f"{where}: needs an 'id'")
    given = any(name in row for name in (*TEXT_FIELDS, "option_scores", "expression", "units"))
    if not given and row.get("status", "ok") == "ok":
        raise EngineError(f"{where}: has no answer under {', '.join(TEXT_FIELDS)}")
    try:
        _reply(str(row["id"]), row)
    except (TypeError, ValueError, AttributeError, StopIteration) as error:
        raise EngineError(f"{where}: cannot be read as an answer ({error})") from None
    return str(row["id"])


def _reply(id: str, row: Mapping[str, Any]) -> Reply:
    status = row.get("status", "ok")
    if status != "ok":
        return Reply(id, "failed", error=str(row.get("error") or f"recorded as {status}"))
    text = next((row[name] for name in TEXT_FIELDS if name in row), None)
    if text is not None and not isinstance(text, str):
        text = json.dumps(text)
    scores = row.get("option_scores")
    return Reply(
        id,
        text=text,
        numbers=_numbers(row),
        option_scores={str(k): float(v) for k, v in scores.items()} if scores else None,
        warnings=tuple(row.get("warnings", ())),
    )


def _numbers(row: Mapping[str, Any]) -> Answer | None:
    """Probabilities of the expressions, and probability and intensity of units, as stored."""
    scores, stored = row.get("expression"), row.get("units")
    if not isinstance(scores, dict) and not isinstance(stored, dict):
        return None
    expression = None
    if isinstance(scores, dict):
        label_set = next(key for key, names in LABEL_SETS.items() if set(names) == set(scores))
        expression = Expression(max(scores, key=scores.__getitem__), label_set, scores)
    units = None
    if isinstance(stored, dict):
        units = tuple(
            ActionUnit(int(au), present=None if p is None else p >= 0.5, probability=p, intensity=i)
            for au, (p, i) in stored.items()
        )
    return Answer(expression=expression, action_units=units)
