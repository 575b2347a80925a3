"""Labels of another model, for samples that have none of their own; marked as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mien.data.build.plan import Change
from mien.data.build.settings import BuildError
from mien.data.build.tasks import content_hash
from mien.sample import Sample
from mien.schema import Analysis, SchemaError


def pseudo_labels(path: Path) -> Change:
    """Adds action units that `mien analyze` found to samples without any.

    A row belongs to a sample if its `source` is the sample's picture, as a path below the
    dataset's folder or as the whole path. Own labels are never changed. Rows without an answer,
    and a second face of a picture, are passed over.

    Args:
        path: JSON lines of `mien analyze`. Memory holds places in it, not rows.

    Raises:
        BuildError: if the file cannot be read.
    """
    places = _index(path)
    if not places:
        raise BuildError(f"{path} has no row with action units; make it with `mien analyze`")
    file = path.open("rb")

    def change(sample: Sample, folder: Path) -> Sample:
        if sample.image is None or any(u.present is not None for u in sample.action_units or ()):
            return sample
        names = [sample.image, str(folder / sample.image)]
        for name in names:
            place = places.get(content_hash(name))
            if place is None:
                continue
            file.seek(place)
            row = Analysis.from_json(file.readline().decode())
            if row.source in names:
                return replace(sample, action_units=row.action_units, pseudo=True)
        return sample

    return change


def _index(path: Path) -> dict[int, int]:
    places: dict[int, int] = {}
    try:
        with path.open("rb") as file:
            place = 0
            for number, line in enumerate(file, 1):
                try:
                    row = Analysis.from_json(line.decode())
                except (SchemaError, UnicodeDecodeError) as error:
                    raise BuildError(
                        f"{path}, line {number}: no row of `mien analyze --format jsonl` ({error})"
                    ) from error
                if row.status == "ok" and row.action_units:
                    places.setdefault(content_hash(row.source), place)
                place += len(line)
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}; check --pseudo") from error
    return places
