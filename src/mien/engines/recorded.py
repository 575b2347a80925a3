"""Answers that were given before, read from a file of JSON lines."""

from __future__ import annotations

import codecs
import json
import math
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from mien.engines.base import Answer, EngineError
from mien.engines.pictures import SURROUNDED
from mien.engines.request import Reply, Request, Responder
from mien.engines.weights_hash import file_hash
from mien.facs import LABEL_SETS
from mien.schema import ActionUnit, Expression
from mien.untrusted import json_object, json_value

TEXT_FIELDS = ("text", "prediction", "response", "answer", "output")
"""Where the words may stand, the first that is there."""
LONGEST_LINE = 64 * 2**20
"""Bytes of a line; of a file that is no JSON lines in UTF-8, of all of it."""
_MARKS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


class RecordedResponder(Responder):
    """Gives the recorded answer of each request's id.

    A line is an object with `id` and one of `TEXT_FIELDS`; UTF-16 and a JSON array of such objects
    are read, too. What `mien bench` stores is read too:
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
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise EngineError(f"{path}: no regular file; copy what it gives into one")
            self._file = _as_lines(self.path)
            self._places = self._index()
        except OSError as error:
            why = error.strerror or error
            raise EngineError(
                f"{path}: cannot be read ({why}); give a file of JSON lines"
            ) from error

    def identity(self) -> Mapping[str, str]:
        return {"model": self.name, "file": file_hash(self.path)}

    def settings(self) -> Mapping[str, str]:
        return {"file": str(self.path), "answers": str(len(self._places))}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            place = self._places.get(request.id)
            if place is None:
                yield Reply(request.id, "failed", error="no recorded answer")
                continue
            self._file.seek(place[0])
            yield _reply(request.id, json_object(self._file.readline()))

    def expect(self, ids: Iterable[str]) -> None:
        """Whether the file belongs to the questions; see `Responder.expect`."""
        one = None
        for id in ids:
            if id in self._places:
                return
            one = one or id
        if one is not None:
            held = next(iter(self._places), None)
            has = "it has no answers" if held is None else f"its ids are like {held!r}"
            raise EngineError(
                f"{self.path}: answers none of the questions; {has}, the questions' like {one!r};"
                " write each answer with the id of its question"
            )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _index(self) -> dict[str, tuple[int, int, bool]]:
        """Id to place in the file, number of the line and whether it is an answer."""
        places: dict[str, tuple[int, int, bool]] = {}
        place, header = 0, False
        for number, line in enumerate(iter(lambda: self._file.readline(LONGEST_LINE), b""), 1):
            if len(line) == LONGEST_LINE:
                limit = LONGEST_LINE // 2**20
                raise EngineError(f"{self.path}, line {number}: longer than {limit} MB; cut it")
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


def _as_lines(path: Path) -> IO[bytes]:
    """The file as JSON lines in UTF-8; where it is something else, a copy of it that is.

    Raises:
        EngineError: if it is neither JSON lines nor a JSON array.
    """
    file = path.open("rb")
    start = file.read(4096)
    file.seek(0)
    encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if encoding is None and start[1:2] == b"\0":
        encoding = "utf-16-le"
    if encoding is None and not start.lstrip().startswith(b"["):
        return file
    with file:
        data = file.read(LONGEST_LINE + 1)
    if len(data) > LONGEST_LINE:
        raise EngineError(f"{path}: write so many answers as JSON lines in UTF-8, one on each line")
    try:
        text = data.decode(encoding or "utf-8")
        if text.lstrip().startswith("["):
            text = "".join(json.dumps(row) + "\n" for row in json_value(text))
    except ValueError as error:
        raise EngineError(
            f"{path}: is neither JSON lines nor a JSON array ({error}); write an answer a line"
        ) from None
    made = tempfile.TemporaryFile()  # noqa: SIM115 - the responder closes it
    made.write(text.encode("utf-8", "surrogatepass"))
    made.seek(0)
    return made


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        return json_object(line, where, remedy="write one answer on each line")
    except ValueError as error:
        raise EngineError(str(error)) from None


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
    except (TypeError, ValueError, AttributeError, StopIteration, OverflowError) as error:
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
        option_scores=_scores(scores) if scores else None,
        warnings=tuple(map(str, row.get("warnings", ()))),
    )


def _scores(stored: Mapping[str, Any]) -> dict[str, float]:
    scores = {name: float(value) for name, value in stored.items()}
    if not all(map(math.isfinite, scores.values())):
        raise ValueError("a score of an option is no finite number")
    return scores


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
