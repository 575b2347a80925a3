"""Makes FEA-Synth: renders faces where they are missing, builds the set, writes its page.

python -m recipes.fea_synth --out runs/fea-synth [--faces 6000] [--rows 20000] [--page FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mien.data.build.build_set import Built, build, prepare
from mien.data.build.settings import BuildSettings
from mien.data.build.sources import Source
from mien.partfile import write_whole
from mien.synth.dataset import make_dataset
from mien.synth.face_models import loader
from mien.synth.produce import cores
from recipes.fea_synth.page import page

SIZE = 256
PER_SAMPLE = 4


def main() -> None:
    """Runs the recipe; what is there already is not made again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=6_000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--models", nargs="+", default=["anny"], choices=("anny", "ict"))
    parser.add_argument("--ict", type=Path, help="checkout or packed .npz of ICT-FaceKit")
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--page", type=Path, help="write the statistics as Markdown")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    faces = options.out / "faces"
    make_dataset(
        faces,
        count=options.faces,
        models=[loader(name, ict=options.ict) for name in options.models],
        split="train",
        size=SIZE,
        processes=options.processes,
        each=lambda done: print(f"\r{done:,} of {options.faces:,} faces", end="", flush=True),
    )
    print()
    built = make(faces, options.out / "set", options.rows, processes=options.processes)
    print(f"{built.rows:,} rows in {options.out / 'set'}")
    if options.page:
        write_whole(options.page, page(built.report, faces=options.faces).encode())


def make(faces: Path, out: Path, rows: int, *, processes: int = 1) -> Built:
    """Builds the set from rendered faces, pictures inside, every text read back.

    Args:
        faces: what `mien synth` wrote.
        out: folder of the set.
        rows: in it.
        processes: that write texts.
    """
    source = Source("synth", faces)
    settings = BuildSettings(
        per_sample=PER_SAMPLE,
        count=rows,
        format="parquet",
        embed_images=True,
        per_shard=2_000,
        check_share=1.0,
    )
    whole, found = prepare([source], settings)
    terms = {"synth": source.terms()}
    return build([source], whole, found, out, terms=terms, processes=processes)


if __name__ == "__main__":
    main()
