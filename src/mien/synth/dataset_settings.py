"""What a set of rendered pictures was made with, kept beside it, so that it can go on later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mien.partfile import write_whole
from mien.synth.produce import ImageFormat
from mien.synth.scene import Split
from mien.untrusted import TextError, read_json_object

SETTINGS = "settings.json"

StoreFormat = Literal["parquet", "folder"]


class SettingsError(ValueError):
    """A folder holds something else than is asked for; the message says what differs."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the bytes of a set.

    Attributes:
        count: number of pictures; a set can grow.
        seed, split, size, image_format: as in `Plan`.
        models: fingerprints of the face models, in their turns.
        format: how the pictures are stored.
        per_shard: pictures a shard.
        mien: version that drew them.
    """

    count: int
    seed: int
    split: Split
    size: int
    models: tuple[str, ...]
    format: StoreFormat
    image_format: ImageFormat
    per_shard: int
    mien: str

    def shards(self) -> list[range]:
        """The numbers of the pictures of each shard."""
        starts = range(0, self.count, self.per_shard)
        return [range(start, min(start + self.per_shard, self.count)) for start in starts]


def agree(folder: Path, settings: Settings) -> None:
    """Holds a folder to its settings, and writes them where there are none yet.

    Raises:
        SettingsError: if the folder's pictures were made with others, or are not mien's.
        SinkError: if the settings cannot be written.
    """
    path = folder / SETTINGS
    begun = any(folder.glob("synth-*.parquet")) or _has_pictures(folder / "images")
    if not path.exists():
        if begun:
            raise SettingsError(f"{folder} holds pictures but no {SETTINGS}; choose another --out")
    else:
        there = _read(path)
        differences = _differences(there, settings)
        if differences and begun:  # a run that was stopped before its first shard binds nobody
            raise SettingsError(
                f"{folder} was begun with other settings: {'; '.join(differences)}. Use the same "
                "ones to go on, or choose another --out"
            )
        if there == settings:
            return
    write_whole(path, (json.dumps(asdict(settings), indent=1) + "\n").encode())


def _has_pictures(images: Path) -> bool:
    return images.is_dir() and any(entry.suffix != ".part" for entry in images.iterdir())


def _read(path: Path) -> Settings:
    try:
        values: dict[str, Any] = read_json_object(path)
        return Settings(**{**values, "models": tuple(values["models"])})
    except (TextError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} does not hold the settings of this mien ({error}); choose another --out"
        ) from error


def _differences(there: Settings, here: Settings) -> list[str]:
    found = []
    for field in fields(Settings):
        old, new = getattr(there, field.name), getattr(here, field.name)
        if field.name == "count":
            if new < old:
                found.append(f"count is {old} there and {new} here (a set can grow, not shrink)")
        elif old != new:
            found.append(f"{field.name} is {_words(old)} there and {_words(new)} here")
    return found


def _words(value: Any) -> str:
    return " and ".join(value) if isinstance(value, tuple) else str(value)
