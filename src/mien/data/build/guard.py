"""What cannot be one set: names given twice, people and pictures that stand in two splits."""

from __future__ import annotations

from mien.data.build.settings import BuildError
from mien.data.build.splits import published_split
from mien.data.build.tasks import content_hash
from mien.sample import Sample


class Guard:
    """Names given once; persons and pictures in one split only. A few bytes a sample."""

    def __init__(self) -> None:
        self._names: set[int] = set()
        self._split_of: dict[int, str] = {}

    def check(self, source: str, sample: Sample) -> None:
        """Takes note of the next sample.

        Raises:
            BuildError: if it cannot stand beside those before it.
        """
        name = content_hash(source, sample.id)
        if name in self._names:
            raise BuildError(
                f"source {source} names sample {sample.id!r} twice; remove the duplicate row or "
                "file (`mien data check` lists them)"
            )
        self._names.add(name)
        own = published_split(sample.split)
        shown = [("picture", path) for path in (sample.image, sample.video) if path]
        if sample.frames:
            shown.append(("picture", sample.frames[0]))
        if sample.subject is not None:
            shown.append(("person", sample.subject))
        for kind, value in shown:
            key = content_hash(kind, sample.dataset if kind == "person" else source, value)
            split = self._split_of.setdefault(key, own)
            if split != own:
                raise BuildError(
                    f"source {source}: {kind} {value!r} stands in the splits {split!r} and "
                    f"{own!r}, which would leak; build one split at a time (--split), and "
                    "mend the dataset's lists if it remains"
                )
