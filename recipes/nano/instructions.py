"""Nano's faces as instruction data of `mien data build`.

    python -m recipes.nano.instructions --ferplus FILE --rendered FILE... --encoder DIR --out DIR

writes

    pictures/                              the grey crops, as PNG in Parquet
    ferplus/train/, ferplus/validation/    photographs: every task that a face can carry
    synth/train/, synth/validation/        rendered faces, likewise; pictures inside

The two kinds are sets of their own, as `mien train` weights and augments each source by itself.

Units of photographs are those of which the encoder's heads are sure, and such rows are marked as
pseudo; units of rendered faces are exact. The official validation part of FERPlus and the test's
people are left out: "validation" is what nano is chosen and calibrated on.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mien.data.build.build_set import build, prepare
from mien.data.build.embed import png
from mien.data.build.settings import BuildSettings
from mien.data.build.sources import Terms
from mien.data.readers import reader
from mien.partfile import write_whole
from mien.sample import Sample
from mien.schema import ActionUnit, Expression
from mien.synth.produce import cores

from .encoder import FaceEncoder, load_encoder, look
from .photographs import CLASSES, Photographs, read_ferplus
from .rendered import UNITS, Rendered, load_rendered
from .self_labels import pseudo_units

PICTURES = "pictures"
SPLITS = {"fit": "train", "select": "validation"}
"""Parts of the recipe, and the sets that they become."""
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Crops:
    """Faces of one dataset; a `mien.data.build.plan.SampleSource`.

    Attributes:
        name: "ferplus" or "synth", as `mien data` calls their readers.
        folder: of the pictures.
        images: (N, H, W) uint8.
        labels: (N,) index into `CLASSES`, -1 where unknown.
        units: (N, 19) intensities in [0, 5], NaN where unknown.
        part: (N,) "fit", "select" or another.
        subjects: (N,) who is shown; None where that is not known.
        pseudo: whether a network found the units.
    """

    name: str
    folder: Path
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    units: NDArray[np.float32]
    part: NDArray[np.str_]
    subjects: Sequence[str] | None
    pseudo: bool

    def wanted(self) -> list[int]:
        """Indices of the faces that become rows."""
        return [i for i, part in enumerate(self.part) if part in SPLITS]

    def sample_name(self, index: int) -> str:
        """Name of a face."""
        return f"{self.name}-{index:06d}"

    def samples(self, split: str | None) -> Iterator[Sample]:
        """The faces of a set, or of both."""
        licence = reader(self.name).licence
        for index in self.wanted():
            if split not in (None, SPLITS[self.part[index]]):
                continue
            label = int(self.labels[index])
            units = unit_labels(self.units[index])
            yield Sample(
                id=self.sample_name(index),
                dataset=self.name,
                image=f"{self.name}.parquet#row={index}",
                subject=self.subjects[index] if self.subjects is not None else None,
                split=SPLITS[self.part[index]],
                expression=Expression(CLASSES[label], "basic8") if label >= 0 else None,
                action_units=units,
                licence=licence,
                pseudo=self.pseudo and units is not None,
            )

    def terms(self) -> Terms:
        """What the dataset's owner asks for."""
        entry = reader(self.name)
        return Terms(entry.title, entry.licence, entry.access, entry.url)


def unit_labels(intensities: NDArray[np.float32]) -> tuple[ActionUnit, ...] | None:
    """Units of one face; None where nothing is known.

    Args:
        intensities: (19,) in [0, 5], NaN where unknown. What rounds to A or more is present.
    """
    if np.isnan(intensities).all():
        return None
    return tuple(
        ActionUnit(au)
        if np.isnan(value)
        else ActionUnit(au, present=bool(value >= 0.5), intensity=float(value))
        for au, value in zip(UNITS, intensities.tolist(), strict=True)
    )


def photograph_crops(
    faces: Photographs, folder: Path, presence: NDArray[np.float32], intensity: NDArray[np.float32]
) -> Crops:
    """FERPlus with the units of which a network is sure.

    Args:
        faces: of `read_ferplus`.
        folder: of the pictures.
        presence, intensity: (N, 19) as `encoder.look` gives them.
    """
    units = pseudo_units(presence, intensity)
    return Crops(
        "ferplus", folder, faces.images, faces.majority, units, faces.part, None, pseudo=True
    )


def rendered_crops(rendered: Rendered, folder: Path) -> Crops:
    """Rendered faces with exact units."""
    who = [
        f"{model}-{n}"
        for model, n in zip(rendered.face_model, rendered.people.tolist(), strict=True)
    ]
    known = rendered.known()
    return Crops(
        "synth", folder, rendered.images, rendered.labels, known, rendered.part, who, pseudo=False
    )


def write_pictures(images: NDArray[np.uint8], path: Path) -> None:
    """Grey crops (N, H, W) as PNG in the column `image` of a Parquet file, a row each."""
    schema = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="none") as writer:
        for start in range(0, len(images), _AT_ONCE):
            cells = [{"bytes": png(i), "path": None} for i in images[start : start + _AT_ONCE]]
            writer.write_table(pa.table({"image": pa.array(cells, schema.field("image").type)}))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())


def make(
    sources: Sequence[Crops],
    out: Path,
    *,
    seed: int = 0,
    per_sample: int | None = None,
    processes: int = 1,
) -> Mapping[str, int]:
    """Writes pictures and both sets; what is whole already is not made again.

    Args:
        sources: the faces; their `folder` is `out/pictures`.
        out: the folder.
        seed: another one gives other words.
        per_sample: most tasks a face gets; None is all that it can carry.
        processes: that write texts.

    Returns:
        Rows in each set, by its folder below `out`.
    """
    for source in sources:
        path = source.folder / f"{source.name}.parquet"
        if not path.exists():
            write_pictures(source.images, path)
    rows = {}
    for source in sources:
        for split in SPLITS.values():
            settings = BuildSettings(
                split=split, seed=seed, per_sample=per_sample, format="parquet", embed_images=True
            )
            whole, found = prepare([source], settings)
            place = out / source.name / split
            terms = {source.name: source.terms()}
            made = build([source], whole, found, place, terms=terms, processes=processes)
            rows[f"{source.name}/{split}"] = made.rows
    return rows


def make_instructions(
    faces: Photographs,
    rendered: Rendered,
    network: FaceEncoder,
    out: Path,
    *,
    seed: int = 0,
    per_sample: int | None = None,
    processes: int | None = None,
    bf16: bool = False,
) -> Mapping[str, int]:
    """`make` for nano's faces, with the units that the encoder says of photographs."""
    folder = out / PICTURES
    _, presence, intensity = look(network, faces.images, bf16=bf16)
    return make(
        [photograph_crops(faces, folder, presence, intensity), rendered_crops(rendered, folder)],
        out,
        seed=seed,
        per_sample=per_sample,
        processes=cores() if processes is None else processes,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ferplus", type=Path, required=True, help="Parquet file")
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="caches (.npz)")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of the encoder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-sample", type=int, help="most tasks a face gets; default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=cores())
    options = parser.parse_args()
    rows = make_instructions(
        read_ferplus(options.ferplus),
        load_rendered(*options.rendered),
        load_encoder(options.encoder),
        options.out,
        seed=options.seed,
        per_sample=options.per_sample,
        processes=options.processes,
    )
    for place, count in rows.items():
        print(f"{count:,} rows in {options.out / place}")


if __name__ == "__main__":
    main()
