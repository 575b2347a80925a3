"""`mien chat`: from a picture to questions and answers, at a terminal or in a script."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mien.chat import Chat, ChatError, NoFaceError
from mien.commands.chat_show import faces_table, help_view, numbers_view, show_turn
from mien.commands.consent import agree_to_send
from mien.engines import EngineError, ModelOptions
from mien.faces import FinderError
from mien.media import Input, MediaError, expand_inputs
from mien.partfile import SinkError
from mien.quiet import at_the_terminal, own
from mien.terminal import Console, say, shown
from mien.weights import WeightsError


def run_chat(
    photo: str,
    *,
    ask: Sequence[str],
    face: int,
    save: Path | None,
    model: str,
    options: ModelOptions,
    yes: bool,
    faces: str,
    words: str,
    seed: int,
) -> int:
    """Runs the command and returns its exit code; see `mien chat --help` for the arguments."""
    errors = Console(stderr=True, highlight=False)
    if photo == "-" and not ask:
        return _fail(
            errors, "a picture from standard input leaves no room for questions: use --ask", 2
        )
    try:
        agree_to_send([model], options, yes=yes, errors=errors)
        source = _one(photo)
        chat = Chat(
            source,
            model=model,
            face=face,
            faces=faces,
            options=options,
            words=words,  # type: ignore[arg-type]
            seed=seed,
        )
    except (MediaError, NoFaceError) as error:
        return _fail(errors, str(error), 1)
    except (ChatError, EngineError, FinderError, WeightsError) as error:
        return _fail(errors, str(error), 2)
    try:
        if ask:
            code = _script(chat, ask, errors)
        elif sys.stdin.isatty() and (output := own(1)) is not None and output.isatty():
            code = _terminal(chat)
        else:
            code = _script(chat, _lines(chat, errors), errors)
    except EngineError as error:
        code = _fail(errors, str(error), 1)
    except KeyboardInterrupt:
        errors.print("\ninterrupted")
        code = 130
    finally:
        chat.close()
    if save is not None:
        try:
            chat.save(save)
        except SinkError as error:
            return _fail(errors, str(error), 1)
    return code


def _one(photo: str) -> str | Path | bytes:
    """The one picture that an argument names.

    Raises:
        ChatError: if it names several.
        MediaError: if it names nothing to read.
    """
    found: list[Input] = []
    for item in expand_inputs([photo]):
        found.append(item)
        if len(found) > 1:
            raise ChatError(f"{photo}: names several pictures; a talk is about one, so name one")
    if found[0].error is not None:
        raise MediaError(found[0].error)
    return sys.stdin.buffer.read() if found[0].origin is None else found[0].origin


def _fail(errors: Console, message: str, code: int) -> int:
    errors.print(f"error: {shown(message)}", markup=False, soft_wrap=True)
    return code


def _script(chat: Chat, questions: Iterable[str], errors: Console) -> int:
    """Answers line by line: a line of output for each question that is not blank."""
    code = 0
    for question in questions:
        try:
            turn = chat.ask(question)
        except ValueError:
            continue
        say(" ".join((turn.text or "").split()))
        for warning in turn.warnings:
            errors.print(shown(warning), style="yellow", markup=False, soft_wrap=True)
        if turn.text is None:
            code = 1
    return code


def _lines(chat: Chat, errors: Console) -> Iterator[str]:
    """The questions on standard input; lines that begin with a slash are commands."""
    for data in sys.stdin.buffer:
        line = data.decode("utf-8", "replace").strip()
        if not line.startswith("/"):
            yield line
        elif not command(chat, line, errors):
            return


def _terminal(chat: Chat) -> int:
    """Questions from the keyboard until the end of input or an interruption."""
    _line_editing()
    out = Console(highlight=False)
    out.print()
    if len(chat.faces) > 1:
        out.print(faces_table(chat))
        out.print()
    out.print(numbers_view(chat.numbers))
    out.print("\nAsk about this face; /help lists commands, Ctrl-D ends.\n", style="dim")
    while True:
        try:
            with at_the_terminal(1, 2):
                line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            out.print()
            return 0
        except UnicodeDecodeError:
            out.print("that could not be read as text", style="yellow")
            continue
        if line.startswith("/"):
            if not command(chat, line, out):
                return 0
        elif line:
            answer(chat, line, out)


def answer(chat: Chat, line: str, out: Console) -> None:
    """Asks and shows; Ctrl-C gives the question up."""
    try:
        with out.busy("looking"):
            turn = chat.ask(line)
    except KeyboardInterrupt:
        out.print("given up\n", style="yellow")
    except (EngineError, ValueError) as error:
        out.print(f"{shown(str(error))}\n", style="yellow", markup=False)
    else:
        show_turn(turn, out, out)


def command(chat: Chat, line: str, out: Console) -> bool:
    """Does what a line that begins with a slash says; False where it ends the talk."""
    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name in ("/quit", "/exit", "/q"):
        return False
    if name == "/face":
        _choose(chat, rest, out)
    elif name == "/numbers":
        out.print(numbers_view(chat.numbers, whole=True))
        out.print()
    elif name == "/reset":
        chat.reset()
        out.print("the talk is forgotten\n", style="dim")
    elif name == "/save":
        _save(chat, rest, out)
    elif name == "/help":
        out.print(help_view())
        out.print()
    else:
        out.print(f"no command {shown(name)}; /help lists them\n", style="yellow", markup=False)
    return True


def _choose(chat: Chat, number: str, out: Console) -> None:
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        out.print(faces_table(chat))
        out.print("\n/face N chooses one\n", style="dim")
        return
    try:
        chat.choose(int(number))
    except (ChatError, EngineError) as error:
        out.print(f"{shown(str(error))}\n", style="yellow", markup=False)
    else:
        out.print(numbers_view(chat.numbers))
        out.print()


def _save(chat: Chat, name: str, out: Console) -> None:
    if not name:
        out.print("name a file: /save FILE.jsonl\n", style="yellow")
        return
    try:
        chat.save(Path(name).expanduser())
    except (SinkError, ValueError, RuntimeError) as error:
        out.print(f"{shown(str(error))}\n", style="yellow", markup=False)
    else:
        out.print(f"{shown(name)}: {len(chat.turns)} turns\n", style="dim", markup=False)


def _line_editing() -> None:
    """Arrow keys and history at the prompt, where the platform has them."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
