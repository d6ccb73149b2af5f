"""Files that are there whole or not at all."""

import pytest

from sds_bridge.files import replacing


def test_a_file_takes_the_place_of_the_old_one(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with replacing(tmp_path / "a.txt") as beside:
        beside.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("a.txt", "new")]


def test_what_fails_leaves_the_old_one_and_nothing_beside_it(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_folder_in_its_place_is_an_error(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt"), replacing(tmp_path / "a.txt") as beside:
        beside.write_text("new")
    assert [f.name for f in tmp_path.iterdir()] == ["a.txt"]
