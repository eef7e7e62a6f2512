"""Files that are written whole or not at all."""

import os

import click
import pytest

from mlflow_lime.cli.outfiles import require_place, write_whole


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "gate.md"
    path.write_text("old and longer")
    write_whole(str(path), "né")
    assert path.read_text("utf-8") == "né"
    assert os.listdir(tmp_path) == ["gate.md"]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "gate.md"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(str(path), "new \ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["gate.md"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.md").write_text("old")
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    write_whole(str(tmp_path / "link.md"), "new")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_text() == "new"


def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(str(pipe), "text")
    assert os.read(reader, 99) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_dash_is_stdout(capsys):
    write_whole("-", "text")
    require_place("-", "--json")
    assert capsys.readouterr().out == "text"


def test_folders_are_made(tmp_path):
    require_place(str(tmp_path / "a" / "b" / "gate.md"), "--markdown")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(click.BadParameter, match="is a folder; name another file"):
        require_place(str(tmp_path), "--junit")


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(click.BadParameter, match="cannot be made"):
        require_place(str(tmp_path / "file" / "gate.md"), "--junit")
