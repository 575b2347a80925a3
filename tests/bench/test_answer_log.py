import errno
import json

import pytest

from mien.bench.answer_log import (
    ANSWERS_FILE,
    AnswerStore,
    Record,
    StoreError,
    read_header,
    read_records,
    set_aside,
)
from mien.partfile import SinkError

HEADER = {"suite": {"hash": "abc"}, "data": "d1", "identity": {"weights": "w1"}}


def filled(folder, count=3):
    with AnswerStore(folder, HEADER) as store:
        for k in range(count):
            store.append(Record(f"i{k}", "ok", text=f"Räte {k}\nAU{k}", usage={"tokens": k}))
    return folder / ANSWERS_FILE


def test_answers_come_back_as_they_were(tmp_path):
    filled(tmp_path)
    records = list(read_records(tmp_path))
    assert [r.id for r in records] == ["i0", "i1", "i2"]
    assert records[2] == Record("i2", "ok", text="Räte 2\nAU2", usage={"tokens": 2})
    assert read_header(tmp_path)["data"] == "d1"


def test_a_file_cut_anywhere_keeps_every_whole_line(tmp_path):
    whole = filled(tmp_path).read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / ANSWERS_FILE).write_bytes(whole[:cut])
        kept = max(0, sum(end <= cut for end in ends) - 1)
        with AnswerStore(folder, HEADER) as store:
            assert sorted(store.statuses) == [f"i{k}" for k in range(kept)]
            for k in range(kept, 3):
                store.append(Record(f"i{k}", "ok", text=f"Räte {k}\nAU{k}", usage={"tokens": k}))
        assert (folder / ANSWERS_FILE).read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": "d2"}, "data was d1, now d2"),
        ({"identity": {"weights": "w2"}}, "identity weights was w1, now w2"),
        ({"suite": {"hash": "xyz"}}, "suite hash was abc, now xyz"),
        ({"extra": 1}, "extra was unset, now 1"),
    ],
)
def test_other_questions_data_or_models_are_not_mixed(tmp_path, change, words):
    before = filled(tmp_path).read_bytes()
    with pytest.raises(StoreError, match=words) as error, AnswerStore(tmp_path, HEADER | change):
        pass
    assert "--restart" in str(error.value)
    assert "--out" in str(error.value)
    assert (tmp_path / ANSWERS_FILE).read_bytes() == before


def test_a_damaged_line_is_named_and_nothing_is_touched(tmp_path):
    path = filled(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{broken}\n", *lines[3:]]))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="line 3"), AnswerStore(tmp_path, HEADER):
        pass
    with pytest.raises(StoreError, match="line 3"):
        list(read_records(tmp_path))
    assert path.read_bytes() == before


def test_the_last_answer_of_an_item_counts(tmp_path):
    with AnswerStore(tmp_path, HEADER) as store:
        store.append(Record("i", "failed", error="timed out"))
        assert not store.answered("i")
        assert store.answered("i", keep_failed=True)
    with AnswerStore(tmp_path, HEADER) as store:
        assert not store.answered("i")
        store.append(Record("i", "ok", text="Fear."))
        assert store.answered("i")
    assert [r.status for r in read_records(tmp_path)] == ["failed", "ok"]


def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    pytest.importorskip("fcntl")
    with (
        AnswerStore(tmp_path, HEADER),
        pytest.raises(StoreError, match="another run"),
        AnswerStore(tmp_path, HEADER),
    ):
        pass


def test_a_full_disk_says_so_and_keeps_what_was_written(tmp_path):
    path = filled(tmp_path, 2)
    before = path.read_bytes()

    class Full:
        """Takes five bytes and then no more."""

        def __init__(self, file):
            self.file, self.left = file, 5

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= 5
            return self.file.write(bytes(data[:5]))

    with AnswerStore(tmp_path, HEADER) as store:
        store._file = Full(store._file)
        with pytest.raises(SinkError, match="the disk is full"):
            store.append(Record("i9", "ok", text="Fear."))
        assert "i9" not in store.statuses
    assert path.read_bytes() == before


def test_setting_aside_keeps_every_earlier_run(tmp_path):
    assert set_aside(tmp_path) is None
    for _ in range(2):
        filled(tmp_path)
        set_aside(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"answers.1.jsonl", "answers.2.jsonl"}


def test_a_missing_or_empty_file_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="mien bench"):
        read_header(tmp_path)
    (tmp_path / ANSWERS_FILE).write_text(json.dumps(HEADER))  # half a line
    with pytest.raises(StoreError, match="holds no answers"):
        read_header(tmp_path)
