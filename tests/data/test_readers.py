"""Each dataset from a miniature copy in its owner's layout, against Samples by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.data.pictures import open_image
from mien.data.readers import READERS, DataError, LayoutError, RowError, read
from mien.datasets import DATASETS
from mien.sample import Sample
from tests.data import layouts
from tests.data.layouts import LAYOUTS


def made(root: Path, layout: str, **options: Any) -> list[Sample]:
    """Writes a miniature copy and reads it."""
    name, write = LAYOUTS[layout]
    write(root)
    return list(read(name, root, **options))


def label(sample: Sample) -> str | None:
    return sample.expression.label if sample.expression is not None else None


def units(sample: Sample) -> dict[int, tuple[bool | None, float | None]]:
    return {u.au: (u.present, u.intensity) for u in sample.action_units or ()}


def test_readers_import_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import mien.data.readers"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_reader_has_a_miniature_copy_and_a_page() -> None:
    covered = {name for name, _ in LAYOUTS.values()} | {"affectnet7", "synth"}
    assert covered == set(READERS)
    root = Path(__file__).parents[2]
    for entry in READERS.values():
        assert (root / entry.page).is_file(), f"{entry.name} has no {entry.page}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_without_the_dataset_says_what_is_missing(layout: str, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    name = LAYOUTS[layout][0]
    with pytest.raises(LayoutError) as caught:
        list(read(name, tmp_path))
    message = str(caught.value)
    assert "Looked for" in message
    assert "found holiday/" in message
    assert READERS[name].page == READERS[message.split("`mien data list ")[1].split("`")[0]].page


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ids_are_unique_and_one_split_is_a_part_of_all(layout: str, tmp_path: Path) -> None:
    samples = made(tmp_path, layout)
    name = LAYOUTS[layout][0]
    assert len({s.id for s in samples}) == len(samples) > 0
    for split in READERS[name].splits:
        if name in ("bp4d", "disfa"):
            continue
        try:
            part = list(read(name, tmp_path, split=split))
        except LayoutError:  # the miniature copy has one part only
            continue
        assert part == [s for s in samples if s.split == split]


def test_unknown_names_and_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown dataset 'rafd'; mien reads rafdb"):
        read("rafd", tmp_path)
    with pytest.raises(DataError, match="no split 'dev'; it has train, test"):
        read("rafdb", tmp_path, split="dev")
    with pytest.raises(DataError, match="no option 'fold'; it has: images"):
        read("rafdb", tmp_path, fold=1)
    with pytest.raises(DataError, match="fold is '6', not one of 1, 2"):
        read("dfew", tmp_path, fold=6)
    with pytest.raises(LayoutError, match=r"no such folder.*password.*`mien data list rafdb`"):
        read("rafdb", tmp_path / "nowhere")
    with pytest.raises(DataError, match="splits only within a fold"):
        list(read("bp4d", tmp_path, split="test"))


def test_rafdb(tmp_path: Path) -> None:
    first, second, third = made(tmp_path, "rafdb")
    assert (first.id, first.split, label(first)) == ("train_00001", "train", "sadness")
    assert first.image == "basic/Image/aligned/train_00001_aligned.jpg"
    assert first.attributes == {"gender": "female", "race": "Asian", "age": "40-69"}
    assert (label(second), second.attributes) == ("happiness", {})
    assert (third.split, label(third)) == ("test", "neutral")
    assert third.expression is not None
    assert third.expression.label_set == "basic7"
    inside = list(read("rafdb", tmp_path / "basic"))  # the part itself works, too
    assert inside[0].image == "Image/aligned/train_00001_aligned.jpg"


def test_rafdb_compound(tmp_path: Path) -> None:
    (sample,) = made(tmp_path, "rafdb_compound")
    assert sample.expression is None
    assert sample.attributes["compound"] == "fearfully surprised"


def test_affectnet_of_2017(tmp_path: Path) -> None:
    first, second, third = made(tmp_path, "affectnet_2017")  # the one without a face is left out
    assert first.image == "Manually_Annotated/Manually_Annotated_Images/1/a.jpg"
    assert (label(first), first.valence, first.arousal) == ("happiness", 0.5, 0.25)
    assert first.box == (2, 3, 12, 23)
    assert label(second) == "contempt"
    assert (third.split, label(third)) == ("val", "anger")
    assert (third.valence, third.arousal) == (None, None)
    seven = list(read("affectnet7", tmp_path))
    assert [label(s) for s in seven] == ["happiness", "anger"]
    assert {s.expression.label_set for s in seven if s.expression} == {"basic7"}


def test_affectnet_of_2021_in_both_orders(tmp_path: Path) -> None:
    samples = made(tmp_path, "affectnet_2021")
    found = [(s.id, label(s), s.valence, s.arousal) for s in samples]
    assert found == [
        ("train/9", "contempt", 0.1, 0.2),
        ("train/10", "sadness", -0.5, None),
        ("val/1", "neutral", None, 0.0),
    ]
    other = read("affectnet8", tmp_path, order="alphabetical")
    # anger contempt disgust fear happiness neutral sadness surprise
    assert [label(s) for s in other] == ["surprise", "disgust", "anger"]


def test_fer2013_table(tmp_path: Path) -> None:
    samples = made(tmp_path, "fer2013")
    assert [label(s) for s in samples] == ["happiness", "anger", "neutral", "surprise"]
    assert [s.split for s in samples] == ["train", "train", "validation", "test"]


def test_fer2013_folders(tmp_path: Path) -> None:
    layouts.picture(tmp_path / "train/happy/a.png")
    layouts.picture(tmp_path / "test/sad/b.png")
    layouts.picture(tmp_path / "test/moody/c.png")
    bad: list[str] = []
    samples = list(read("fer2013", tmp_path, bad=lambda where, why: bad.append(why)))
    assert [(s.image, s.split, label(s)) for s in samples] == [
        ("train/happy/a.png", "train", "happiness"),
        ("test/sad/b.png", "test", "sadness"),
    ]
    assert len(bad) == 1
    assert "unknown expression 'moody'" in bad[0]


def test_fer2013_parquet_numbers_need_names(tmp_path: Path) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"image": [{"bytes": b"", "path": None}], "label": [4]})
    path = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(table, path)
    with pytest.raises(LayoutError, match="order=alphabetical"):
        list(read("fer2013", tmp_path))
    assert [label(s) for s in read("fer2013", tmp_path, order="owner")] == ["sadness"]
    assert [label(s) for s in read("fer2013", tmp_path, order="alphabetical")] == ["neutral"]
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), path)
    (sample,) = read("fer2013", tmp_path)
    assert (label(sample), sample.split) == ("neutral", "train")
    assert sample.image == "train-00000-of-00001.parquet#row=0"


def test_ferplus(tmp_path: Path) -> None:
    samples = made(tmp_path, "ferplus")
    assert [(s.id, label(s)) for s in samples] == [
        ("fer0000000", "happiness"),
        ("fer0000003", "contempt"),
    ]
    assert samples[0].attributes["votes_surprise"] == 3
    kept = list(read("ferplus", tmp_path, unknown="keep"))
    assert [label(s) for s in kept] == ["happiness", None, "contempt"]  # no face is never kept
    table = tmp_path / "fer2013new.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:3]) + "\n")
    with pytest.raises(LayoutError, match=r"fer2013new.csv: ends before"):
        list(read("ferplus", tmp_path))


def test_ferplus_folders(tmp_path: Path) -> None:
    (sample,) = made(tmp_path, "ferplus_folders")
    assert (sample.image, sample.split) == ("data/FER2013Test/fer0032298.png", "test")
    assert label(sample) == "sadness"


def test_ferplus_parquet(tmp_path: Path) -> None:
    samples = made(tmp_path, "ferplus_parquet")
    found = [(s.id, s.split, label(s), s.image) for s in samples]
    assert found == [
        ("fer0000000", "train", "happiness", "ferplus.parquet#row=0"),
        ("fer0000002", "test", "contempt", "ferplus.parquet#row=2"),
    ]
    assert open_image(samples[0], tmp_path).ndim == 3


def test_ferplus_parquet_with_a_column_for_each_class(tmp_path: Path) -> None:
    header = [*DATASETS["ferplus"].expressions.values(), "unknown", "NF"]
    columns: dict[str, Any] = {name: [int(name == "fear") * 9, None] for name in header}
    table = pa.table({**columns, "img": [b"", b""], "Usage": ["PrivateTest", "PublicTest"]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(RowError, match="row 1: votes are missing"):
        list(read("ferplus", tmp_path))
    (sample,) = read("ferplus", tmp_path, split="test")
    assert (label(sample), sample.image) == ("fear", "a.parquet#row=0")


def test_ckplus(tmp_path: Path) -> None:
    samples = made(tmp_path, "ck+")
    found = [(s.id, s.subject, label(s)) for s in samples]
    assert found == [
        ("S005_001_first", "S005", "neutral"),
        ("S005_001_peak", "S005", "disgust"),
        ("S010_002_first", "S010", "neutral"),
        ("S010_002_peak", "S010", None),
    ]
    peak = samples[1]
    assert (peak.image or "").endswith("S005_001_00000011.png")
    assert units(peak)[9] == (True, 5.0)
    assert units(peak)[17] == (True, None)  # present, not graded
    assert units(peak)[12] == (False, 0.0)
    assert peak.attributes == {"other_codes": "38"}
    assert samples[0].action_units is None
    assert samples[3].action_units is None  # a sequence without codes
    assert len(list(read("ck+", tmp_path, neutral="drop"))) == 2


def test_dfew(tmp_path: Path) -> None:
    train, test = made(tmp_path, "dfew")
    assert (train.id, train.split, label(train)) == ("00002", "train", "happiness")
    assert [Path(p).name for p in train.frames] == ["1.jpg", "2.jpg", "10.jpg"]
    assert (test.id, test.split, label(test)) == ("00013", "test", "fear")
    with pytest.raises(LayoutError, match="no list of fold 2, train"):
        list(read("dfew", tmp_path, fold=2))


def test_dfew_lists_and_videos_of_the_other_parts(tmp_path: Path) -> None:
    layouts.text(tmp_path / "label/single_trainset_3.csv", "video_name,label\n7,3\n")
    layouts.text(tmp_path / "label/single_testset_3.csv", "video_name,label\n8,6\n")
    layouts.video(tmp_path / "Clip/original/7.mp4", [1])
    layouts.video(tmp_path / "Clip/original/00008.mp4", [1])
    samples = list(read("dfew", tmp_path, fold=3))
    assert [(s.video, label(s)) for s in samples] == [
        ("Clip/original/7.mp4", "neutral"),
        ("Clip/original/00008.mp4", "disgust"),
    ]


def test_ferv39k(tmp_path: Path) -> None:
    train, test = made(tmp_path, "ferv39k")
    assert (train.id, label(train), len(train.frames)) == ("Action/Happy/0267", "happiness", 2)
    assert test.attributes == {"scene": "Daily Life"}


def test_mafw(tmp_path: Path) -> None:
    anger, neutral, helpless = made(tmp_path, "mafw")
    assert (anger.id, anger.video, label(anger)) == ("00001", "data/clips/00001.mp4", "anger")
    assert anger.attributes == {"description": "A man frowns."}
    assert (label(neutral), neutral.attributes) == ("neutral", {})
    assert (helpless.split, label(helpless)) == ("test", "helplessness")
    both, single = read("mafw", tmp_path, labels="compound")
    assert (both.expression, both.attributes["compound"]) == (None, "anger, disgust")
    assert label(single) == "fear"


def test_affwild2_joins_the_same_frame(tmp_path: Path) -> None:
    first, third, other = made(tmp_path, "affwild2")  # frame 2 is unlabelled, 4 has no face
    assert (first.id, first.split, first.subject) == ("v1/00001", "train", "v1")
    assert (label(first), first.valence, first.arousal) == ("happiness", 0.5, -0.25)
    assert units(first)[12] == (True, None)
    assert units(first)[25] == (None, None)
    assert units(first)[1] == (False, None)
    assert (third.id, label(third), third.valence) == ("v1/00003", "other", None)
    assert other.split == "mixed"
    both = list(read("affwild2", tmp_path, need="expression+units"))
    assert [s.id for s in both] == ["v1/00001", "v1/00003"]
    assert [s.id for s in read("affwild2", tmp_path, need="all")] == ["v1/00001"]


def test_affwild2_static(tmp_path: Path) -> None:
    train, validation = made(tmp_path, "affwild2_static")
    assert (train.image, label(train)) == ("cropped_aligned/v1/00001.jpg", "surprise")
    assert sorted(au for au, (present, _) in units(train).items() if present) == [1, 2, 25, 26]
    assert (validation.action_units, validation.valence, label(validation)) == (None, None, "fear")


def test_bp4d(tmp_path: Path) -> None:
    samples = made(tmp_path, "bp4d")
    assert [s.id for s in samples[:2]] == ["F001_T1_2440", "F001_T1_2441"]
    assert samples[0].image == "2D+3D/F001/T1/2440.jpg"
    assert units(samples[0])[6] == (True, 3.0)
    assert units(samples[0])[12] == (True, None)
    assert units(samples[1])[6] == (None, None)  # 9 in both files
    assert list(units(samples[0])) == [1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]
    assert 5 in units(next(read("bp4d", tmp_path, units="all")))
    assert samples[0].split is None
    # F007 is in the third part, on which the first fold tests
    tested = {s.subject for s in read("bp4d", tmp_path, fold=1, split="test")}
    assert tested == {"F007"}


def test_disfa(tmp_path: Path) -> None:
    samples = made(tmp_path, "disfa")
    first, second = samples[:2]
    assert first.image == "Videos_LeftCamera/LeftVideoSN001_comp.avi#frame=0"
    assert units(first)[12] == (True, 3.0)
    assert units(second)[12] == (False, 1.0)
    assert units(list(read("disfa", tmp_path, threshold=1))[1])[12] == (True, 1.0)
    assert {s.subject for s in read("disfa", tmp_path, fold=3, split="test")} == {"SN001"}
    with pytest.raises(RowError, match="frames of SN001, right camera"):
        list(read("disfa", tmp_path, camera="right"))


def test_disfa_frames_numbered_from_0_or_1(tmp_path: Path) -> None:
    layouts.disfa(tmp_path)
    layouts.picture(tmp_path / "img/SN001/0.png")
    layouts.picture(tmp_path / "img/SN001/1.png")
    layouts.picture(tmp_path / "img/SN003/00001.png")
    layouts.picture(tmp_path / "img/SN003/00002.png")
    assert [s.image for s in read("disfa", tmp_path)] == [
        "img/SN001/0.png",
        "img/SN001/1.png",
        "img/SN003/00001.png",
        "img/SN003/00002.png",
    ]


def test_faba(tmp_path: Path) -> None:
    samples = {s.id: s for s in made(tmp_path, "faba")}
    train = samples["train/emotion/a"]
    assert (train.expression, train.attributes["description"]) == (None, "The person looks calm.")
    assert train.attributes["question"] == "What is the emotion of this face?"
    assert label(samples["eval/emotion/a"]) == "anger"  # number 3 of the scorer
    assert label(samples["eval/emotion/b"]) == "fear"
    named = units(samples["eval/units/a"])
    assert sorted(au for au, (present, _) in named.items() if present) == [1, 4, 15]
    assert len(named) == 20
    inside = next(read("faba", tmp_path / "FABAInstruct", split="eval", task="units"))
    assert inside.image == "eval/images/a.jpg"
    assert inside.pseudo


def test_fea20k(tmp_path: Path) -> None:
    disfa, raf, both = made(tmp_path, "fea20k")
    assert (disfa.image, disfa.split, disfa.expression) == ("DISFA/x.png", "test", None)
    assert units(disfa) == {au: (au in (4, 25), None) for au in (1, 2, 4, 6, 9, 12, 25, 26)}
    assert (raf.image, label(raf), raf.action_units) == ("y.png", "sadness", None)
    assert (both.split, both.expression) == ("train", None)
    assert both.attributes["labels"] == "fear, anger"


def test_ferbench(tmp_path: Path) -> None:
    (sample,) = made(tmp_path, "ferbench")
    assert (sample.image, label(sample)) == ("Val/Angry/a.png", "anger")
    assert sample.expression is not None
    assert sample.expression.label_set == "basic7"
    assert sample.attributes["source"] == "sfew_2.0"
    assert list(read("ferbench", tmp_path, part="rafdb")) == []


BROKEN = {
    "rafdb": ("basic/EmoLabel/list_patition_label.txt", "5\n", "9\n", "class 9 is not one of"),
    "affectnet_2017": ("training.csv", "0.5,", "1.5,", "outside"),
    "fer2013": ("fer2013.csv", "10 10 10,Tr", "10 10,Tr", "2303 grey values"),
    "ck+": ("Emotion/S005/001/S005_001_00000011_emotion.txt", "3.0", "8.0", "class 8"),
    "affwild2": (
        "6th ABAW Annotations/AU_Detection_Challenge/Train_Set/v1.txt",
        "0,0,0,1",
        "0,0,2,1",
        "not all -1, 0 or 1",
    ),
    "bp4d": ("AUCoding/AU_OCC/F001_T1.csv", "2440,0", "2440,7", "AU1 is 7"),
    "disfa": ("ActionUnit_Labels/SN001/SN001_au12.txt", "1,3", "1,6", "intensity 6 is outside"),
    "faba": ("FABAInstruct/eval/eval_au_anno.json", "1, 4, 15", "1, 44", r"\[44\] are not of"),
    "ferbench": ("eval_sfew_2.0/data/sfew_2.0_qa.json", '"true_label": "angry"',
                 '"true_label": "contempt"', "none of the candidates"),
    "csv": ("labels.csv", "0.5,anna", "-5,anna", "valence is -5"),
}  # fmt: skip


@pytest.mark.parametrize("layout", BROKEN)
def test_a_bad_row_stops_or_is_collected(layout: str, tmp_path: Path) -> None:
    name, write = LAYOUTS[layout]
    write(tmp_path)
    whole = len(list(read(name, tmp_path)))
    file, old, new, message = BROKEN[layout]
    before = (tmp_path / file).read_text()
    assert old in before
    (tmp_path / file).write_text(before.replace(old, new, 1))
    with pytest.raises(RowError, match=message):
        list(read(name, tmp_path))
    bad: list[tuple[str, str]] = []
    left = list(read(name, tmp_path, bad=lambda *found: bad.append(found)))
    assert len(bad) == 1
    assert str(tmp_path) in bad[0][0]
    assert whole - 1 <= len(left) <= whole
