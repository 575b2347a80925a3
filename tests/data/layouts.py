"""Miniature copies of datasets, in the layouts in which their owners hand them out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

GREY_ROWS = (  # emotion, grey level, usage
    (3, 10, "Training"),
    (0, 20, "Training"),
    (6, 30, "PublicTest"),
    (5, 40, "PrivateTest"),
)


def picture(path: Path, grey: int = 128, size: int = 8) -> None:
    """Writes a picture of one grey level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (grey, grey, grey)).save(path)


def text(path: Path, lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines, encoding="utf-8")


def video(path: Path, greys: list[int]) -> None:
    """Writes a video without loss, a frame for each grey level."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt = "gray"
        for grey in greys:
            frame = av.VideoFrame.from_ndarray(np.full((16, 16), grey, np.uint8), format="gray")
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)


def rafdb(root: Path) -> None:
    text(
        root / "basic/EmoLabel/list_patition_label.txt",
        "train_00001.jpg 5\ntrain_00002.jpg 4\ntest_0001.jpg 7\n",
    )
    for stem in ("train_00001", "train_00002", "test_0001"):
        picture(root / f"basic/Image/aligned/{stem}_aligned.jpg")
    marks = "1.0\t2.0\n" * 5
    text(root / "basic/Annotation/manual/train_00001_manu_attri.txt", marks + "1\n2\n3\n")


def rafdb_compound(root: Path) -> None:
    text(root / "compound/EmoLabel/list_patition_label.txt", "test_0001.jpg 8\n")
    picture(root / "compound/Image/aligned/test_0001_aligned.jpg")


def affectnet_2017(root: Path) -> None:
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks"
    head += ",expression,valence,arousal\n"
    text(
        root / "training.csv",
        head
        + "1/a.jpg,2,3,10,20,1;2,1,0.5,0.25\n"
        + "1/b.jpg,2,3,10,20,1;2,7,-0.5,0.75\n"
        + "1/c.jpg,NULL,NULL,NULL,NULL,NULL,10,-2,-2\n",
    )
    text(root / "validation.csv", "2/d.jpg,0,0,4,4,1;2,6,-2,-2\n")  # some copies have no header
    for name in ("1/a", "1/b", "1/c", "2/d"):
        picture(root / f"Manually_Annotated/Manually_Annotated_Images/{name}.jpg")


def affectnet_2021(root: Path) -> None:
    for split, stem, values in (
        ("train", "10", ("2", "-0.5", "-2")),
        ("train", "9", ("7", "0.1", "0.2")),
        ("val", "1", ("0", "-2", "0")),
    ):
        picture(root / f"{split}_set/images/{stem}.jpg")
        folder = root / f"{split}_set/annotations"
        folder.mkdir(parents=True, exist_ok=True)
        for kind, value in zip(("exp", "val", "aro"), values, strict=True):
            np.save(folder / f"{stem}_{kind}.npy", np.array(value))


def fer2013(root: Path) -> None:
    lines = ["emotion,pixels,Usage"]
    for emotion, grey, usage in GREY_ROWS:
        lines.append(f"{emotion},{' '.join([str(grey)] * 48 * 48)},{usage}")
    text(root / "fer2013.csv", "\n".join(lines) + "\n")


def ferplus(root: Path) -> None:
    fer2013(root)
    text(
        root / "fer2013new.csv",
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,"
        "unknown,NF\n"
        "Training,fer0000000.png,1,6,3,0,0,0,0,0,0,0\n"  # happiness
        "Training,,0,0,0,0,0,0,0,0,0,10\n"  # no face
        "PublicTest,fer0000002.png,4,0,0,4,0,0,0,0,2,0\n"  # no majority
        "PrivateTest,fer0000003.png,0,0,0,0,0,0,0,8,2,0\n",  # contempt
    )


def ferplus_folders(root: Path) -> None:
    base = root / "data/FER2013Test"
    text(base / "label.csv", 'fer0032298.png,"(0, 0, 48, 48)",0,0,0,9,0,0,0,0,1,0\n')
    picture(base / "fer0032298.png")


def ferplus_parquet(root: Path) -> None:
    """As Hugging Face's datasets write it, with a list of votes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root.mkdir(parents=True, exist_ok=True)
    picture(root / "face.png")
    data = (root / "face.png").read_bytes()
    votes = [[1, 6, 3, 0, 0, 0, 0, 0, 0, 0], [0] * 9 + [10], [0] * 7 + [8, 2, 0]]
    rows = [
        {
            "image": {"bytes": data, "path": f"fer{k:07d}.png"},
            "votes": votes[k],
            "split": ("train", "train", "test")[k],
        }
        for k in range(3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), root / "ferplus.parquet")
    pq.write_table(pa.table({"image": [data], "label": [1]}), root / "another.parquet")


def ckplus(root: Path) -> None:
    for number in (1, 2, 11):
        picture(root / f"cohn-kanade-images/S005/001/S005_001_{number:08d}.png", number)
    picture(root / "cohn-kanade-images/S010/002/S010_002_00000001.png")
    picture(root / "cohn-kanade-images/S010/002/S010_002_00000002.png")
    text(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", "   3.0000000e+00\n")
    text(
        root / "FACS/S005/001/S005_001_00000011_facs.txt",
        "   9.0000000e+00   5.0000000e+00\n   1.7e+01   0.0000000e+00\n   3.8e+01   0.0e+00\n",
    )


def dfew(root: Path) -> None:
    text(root / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv", "video_name,label\n2,1\n")
    text(root / "EmoLabel_DataSplit/test(single-labeled)/set_1.csv", "video_name,label\n13,7\n")
    for name in ("1", "2", "10"):
        picture(root / f"Clip/clip_224x224_16f/00002/{name}.jpg", int(name))
        picture(root / f"Clip/clip_224x224_16f/00013/{name}.jpg")


def ferv39k(root: Path) -> None:
    text(root / "4_setups/All_scenes/train_All.csv", "Action/Happy/0267 Happy\n")
    text(root / "4_setups/All_scenes/test_All.csv", "Daily Life/Fear/0001 Fear\n")
    for clip in ("Action/Happy/0267", "Daily Life/Fear/0001"):
        picture(root / f"2_ClipsforFaceCrop/{clip}/0.jpg")
        picture(root / f"2_ClipsforFaceCrop/{clip}/1.jpg")


def mafw(root: Path) -> None:
    base = root / "Train & Test Set"
    text(base / "single/no_caption/set_1/train.txt", "00001.mp4 anger\n00003.mp4 5\n")
    text(base / "single/no_caption/set_1/test.txt", "00002.mp4 helplessness\n")
    text(base / "compound/no_caption/set_1/train.txt", "00001.mp4 anger_disgust\n")
    text(base / "compound/no_caption/set_1/test.txt", "00002.mp4 fear\n")
    captions = base / "single/with_caption/set_1/train.txt"
    captions.parent.mkdir(parents=True)
    line = "00001.mp4\tanger\t皱眉\tA man frowns.\n"
    captions.write_bytes(line.encode("gb18030"))
    for number in (1, 2, 3):
        video(root / f"data/clips/{number:05d}.mp4", [1])


def affwild2(root: Path) -> None:
    notes = root / "6th ABAW Annotations"
    names = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n"
    units = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26\n"
    text(notes / "EXPR_Recognition_Challenge/Train_Set/v1.txt", names + "4\n-1\n7\n-1\n")
    text(
        notes / "AU_Detection_Challenge/Train_Set/v1.txt",
        units + "0,0,0,1,0,0,1,0,0,0,-1,0\n" + "-1," * 11 + "-1\n" + "0," * 11 + "0\n",
    )
    text(notes / "VA_Estimation_Challenge/Train_Set/v1.txt", "valence,arousal\n0.5,-0.25\n-5,-5\n")
    text(notes / "EXPR_Recognition_Challenge/Train_Set/v2_left.txt", names + "0\n")
    text(notes / "VA_Estimation_Challenge/Validation_Set/v2_left.txt", "valence,arousal\n0,0\n")
    for frame in (1, 2, 3):  # no face in frame 4
        picture(root / f"cropped_aligned/v1/{frame:05d}.jpg")
    picture(root / "cropped_aligned/v2_left/00001.jpg")


def affwild2_static(root: Path) -> None:
    head = "image,valence,arousal,expression,aus\n"
    text(
        root / "MTL_Challenge/train_set.txt",
        head + "v1/00001.jpg,0.1,0.2,6,1,1,0,0,0,0,0,0,0,0,1,1\n",
    )
    text(
        root / "MTL_Challenge/validation_set.txt",
        head + "v2/00007.jpg,-5,-5,3," + ",".join(["-1"] * 12) + "\n",
    )
    picture(root / "cropped_aligned/v1/00001.jpg")
    picture(root / "cropped_aligned/v2/00007.jpg")


def bp4d(root: Path) -> None:
    header = ",".join(str(n) for n in range(100))

    def row(frame: int, values: Mapping[int, int]) -> str:
        return ",".join([str(frame), *(str(values.get(n, 9)) for n in range(1, 100))])

    coded = dict.fromkeys((1, 2, 4, 5, 6, 7, 10, 12, 14, 15, 17, 23, 24), 0)
    for name in ("F001_T1", "F007_T2"):  # F007 is of the third part
        lines = [header, row(2440, {**coded, 6: 1, 12: 1}), row(2441, {**coded, 6: 9})]
        text(root / f"AUCoding/AU_OCC/{name}.csv", "\n".join(lines) + "\n")
        folder = root / "2D+3D" / name.replace("_", "/")
        picture(folder / "2440.jpg")
        picture(folder / "2441.jpg")
    text(root / "AUCoding/AU_INT/AU06/F001_T1_AU06.csv", "2440,3\n2441,9\n")


def disfa(root: Path) -> None:
    units = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
    for subject in ("SN001", "SN003"):
        for au in units:
            grades = {12: (3, 1)}.get(au, (0, 0))
            lines = "".join(f"{k + 1},{grade}\n" for k, grade in enumerate(grades))
            text(root / f"ActionUnit_Labels/{subject}/{subject}_au{au}.txt", lines)
        video(root / f"Videos_LeftCamera/LeftVideo{subject}_comp.avi", [50, 60])


def faba(root: Path) -> None:
    talk = [
        {"from": "human", "value": "What is the emotion of this face?\n<image>"},
        {"from": "gpt", "value": "The person looks calm."},
    ]
    name = "FABAInstruct/{}/images/a.jpg"
    train = [{"image": name.format("train"), "id": "a", "conversations": talk}]
    files = {
        "train/train_emotion_anno.json": train,
        "train/train_au_anno.json": train,
        "eval/eval_emotion_anno.json": [
            {"image": name.format("eval"), "id": "a", "label": "3", "gpt4": "Angry."},
            {"image": name.format("eval"), "id": "b", "label": "Fear", "gpt4": "Afraid."},
        ],
        "eval/eval_au_anno.json": [
            {"image": name.format("eval"), "id": "a", "label": "1, 4, 15", "gpt4": "AU1 ..."}
        ],
    }
    for path, rows in files.items():
        text(root / "FABAInstruct" / path, json.dumps(rows))
    picture(root / name.format("train"))
    picture(root / name.format("eval"))


def fea20k(root: Path) -> None:
    rows = [
        {"id": "1", "dataset": "DISFA", "image": "x.png", "question": "<image>\nWhich?",
         "AUs": ["AU4", "AU25"], "labels": [], "description": "The brows are lowered."},
        {"id": "2", "dataset": "RAF-DB", "image": "y.png", "question": "", "AUs": [],
         "labels": ["Sadness"], "description": ""},
    ]  # fmt: skip
    text(root / "stage1_test.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    text(root / "stage1_train.jsonl", json.dumps({**rows[1], "labels": ["fear", "anger"]}) + "\n")
    picture(root / "DISFA/x.png")
    picture(root / "y.png")


def ferbench(root: Path) -> None:
    rows = [
        {"image_path": "/SFEW-2.0/Val/Angry/a.png", "true_label": "angry", "prompt": "Which?",
         "candidate_labels": ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]},
    ]  # fmt: skip
    text(root / "eval_sfew_2.0/data/sfew_2.0_qa.json", json.dumps(rows))
    picture(root / "Val/Angry/a.png")


def table(root: Path) -> None:
    text(
        root / "labels.csv",
        "image,expression,AU12,AU12_r,AU04_c,valence,subject,split,age\n"
        "a.png,Happy,1,3.5,,0.5,anna,train,31\n"
        "b.png,,0,,1,,ben,test,adult\n",
    )
    picture(root / "a.png")
    picture(root / "b.png")


LAYOUTS: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "rafdb": ("rafdb", rafdb),
    "rafdb_compound": ("rafdb_compound", rafdb_compound),
    "affectnet_2017": ("affectnet8", affectnet_2017),
    "affectnet_2021": ("affectnet8", affectnet_2021),
    "fer2013": ("fer2013", fer2013),
    "ferplus": ("ferplus", ferplus),
    "ferplus_folders": ("ferplus", ferplus_folders),
    "ferplus_parquet": ("ferplus", ferplus_parquet),
    "ck+": ("ck+", ckplus),
    "dfew": ("dfew", dfew),
    "ferv39k": ("ferv39k", ferv39k),
    "mafw": ("mafw", mafw),
    "affwild2": ("affwild2", affwild2),
    "affwild2_static": ("affwild2_static", affwild2_static),
    "bp4d": ("bp4d", bp4d),
    "disfa": ("disfa", disfa),
    "faba": ("faba", faba),
    "fea20k": ("fea20k", fea20k),
    "ferbench": ("ferbench", ferbench),
    "csv": ("csv", table),
}
"""Layout to the reader's name and what writes a miniature copy."""
