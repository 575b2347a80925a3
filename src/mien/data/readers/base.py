"""What all readers share: what a dataset is, errors, and how rows become Samples.

A reader is a generator function ``read(root, split, bad, **options)``. It raises `LayoutError` when
the folder is not laid out as its owner hands the dataset out. A single row that cannot be read goes
to `bad`, which stops the reading by default; `mien data check` collects them instead.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mien import facs
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import Expression

T = TypeVar("T")
BadRow = Callable[[str, str], None]
"""Takes where a bad row is (file and line) and what is wrong with it."""


class DataError(ValueError):
    """Something about a dataset is wrong; the message names it and the remedy."""


class AskError(DataError):
    """A dataset, split or option is asked for that there is none of."""


class LayoutError(DataError):
    """A folder is not laid out as a reader expects."""


class RowError(DataError):
    """One row of a dataset cannot be read."""


def stop(where: str, why: str) -> None:
    """A `BadRow` that ends the reading.

    Raises:
        RowError: always.
    """
    raise RowError(f"{where}: {why}. `mien data check` lists all such rows")


@dataclass(frozen=True, slots=True)
class Reader:
    """A dataset that mien reads.

    Attributes:
        name: what users call it.
        read: generator function ``(root, split, bad, **options) -> Iterator[Sample]``.
        title: the dataset's own name.
        labels: what it labels, in a few words.
        licence: its terms in a few words; every Sample carries them.
        access: how to get it.
        url: where to ask.
        page: its page in the documentation, which stands in the package, too.
        splits: names of its splits; empty where it has none.
        own_splits: True where the data themselves name the splits.
        options: option name to the values that it takes, the default first. An empty tuple takes
            any text, with no default.
        single: whether a single file can stand in place of the folder.
        optional: splits that a whole copy may lack.
        people: all who are in a whole copy, where that is published.
        layout: names the layout of a folder, for a dataset that is handed out in several.
        gaps: of a dataset that labels frames: takes root, split and ``**options``, and gives each
            clip with its number of labelled frames and how many of them have no picture.
    """

    name: str
    read: Callable[..., Iterator[Sample]]
    title: str
    labels: str
    licence: str
    access: str
    url: str
    page: str
    splits: tuple[str, ...] = ()
    own_splits: bool = False
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    single: bool = False
    optional: tuple[str, ...] = ()
    people: frozenset[str] = frozenset()
    layout: Callable[[Path], str | None] | None = None
    gaps: Callable[..., Iterator[tuple[str, int, int]]] | None = None

    @property
    def hint(self) -> str:
        """The command that prints its page."""
        return f"`mien data list {self.name}`"

    def settings(self, split: str | None, options: Mapping[str, Any]) -> dict[str, str]:
        """Checks what a user asks for, and fills in the defaults.

        Raises:
            AskError: on an unknown split, option or value.
        """
        if split is not None and self.splits and split not in self.splits:
            raise AskError(f"{self.name} has no split {split!r}; it has {', '.join(self.splits)}")
        if split is not None and not self.splits and not self.own_splits:
            raise AskError(f"{self.name} has no splits; leave the split out")
        found = {name: values[0] for name, values in self.options.items() if values}
        for name, value in options.items():
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise AskError(f"{self.name} has no option {name!r}; it has: {known}")
            values, text = self.options[name], str(value)
            if values and text not in values:
                raise AskError(
                    f"{self.name}: option {name} is {text!r}, not one of {', '.join(values)}"
                )
            found[name] = text
        return found


def find(root: Path, candidates: Iterable[str], *, what: str, hint: str) -> Path:
    """The first of some paths that exists below a folder.

    Args:
        root: the dataset's folder.
        candidates: paths relative to it, the most likely first; ``*`` matches within one name.
        what: what it is, for the error.
        hint: the command that shows the layout.

    Raises:
        LayoutError: if there is none; it says what was looked for and what is there.
    """
    names = list(candidates)
    for name in names:
        if "*" in name:
            found = sorted(root.glob(name))
            if found:
                return found[0]
        elif (root / name).exists():
            return root / name
    raise missing(root, names, what=what, hint=hint)


def missing(root: Path, names: Iterable[str], *, what: str, hint: str) -> LayoutError:
    """The error for a part of a dataset that is not there."""
    looked = ", ".join(names)
    there = sorted(p.name + ("/" if p.is_dir() else "") for p in root.iterdir())[:8]
    found = ", ".join(there) if there else "nothing"
    return LayoutError(
        f"{root}: no {what}. Looked for {looked}; found {found}. {hint} shows the layout"
    )


def each(
    rows: Iterable[tuple[str, T]], make: Callable[[T], Sample | None], bad: BadRow
) -> Iterator[Sample]:
    """Makes a Sample of each row; a row that does not fit goes to `bad`.

    Args:
        rows: pairs of where the row is and what is in it.
        make: gives the Sample, or None for a row to leave out; raises ValueError, KeyError,
            IndexError, TypeError or AttributeError on a row that does not fit.
        bad: see `BadRow`.
    """
    for where, row in rows:
        try:
            sample = make(row)
        except LayoutError:
            raise
        except KeyError as error:
            bad(where, f"no column or key {error}")
        except IndexError:
            bad(where, "too few values")
        except (TypeError, AttributeError) as error:  # JSON holds a number where a list belongs
            bad(where, f"a value is of the wrong kind ({error})")
        except (ValueError, OSError) as error:
            bad(where, str(error))
        else:
            if sample is not None:
                yield sample


def regular(path: Path) -> Path:
    """The path of a file that has an end.

    Raises:
        LayoutError: if it is a folder, a pipe or a device.
        OSError: if it is not there.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise LayoutError(f"{path}: no regular file; copy what it gives into one, and name that")
    return path


def label_set_of(labels: Iterable[str]) -> str:
    """Name of the smallest of mien's label sets that holds some canonical labels.

    Raises:
        ValueError: if no set holds them all.
    """
    wanted = set(labels)
    fitting = [name for name, names in facs.LABEL_SETS.items() if wanted <= set(names)]
    if not fitting:
        raise ValueError(f"no label set of mien holds {', '.join(sorted(wanted))}")
    return min(fitting, key=lambda name: len(facs.LABEL_SETS[name]))


def numbered_expression(dataset: str, number: int) -> Expression:
    """The expression of a dataset's class number.

    Raises:
        ValueError: if the dataset has no such class.
    """
    classes = DATASETS[dataset].expressions
    if number not in classes:
        known = ", ".join(f"{k} {v}" for k, v in classes.items())
        raise ValueError(f"class {number} is not one of {known}")
    return Expression(classes[number], label_set_of(classes.values()))


def named_expression(dataset: str, word: str) -> Expression:
    """The expression that a word names, in the label set of a dataset.

    Raises:
        ValueError: if it is no word for one of the dataset's classes.
    """
    return Expression(
        facs.canonical_expression(word), label_set_of(DATASETS[dataset].expressions.values())
    )
