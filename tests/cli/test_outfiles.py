"""Files that are written whole or not at all."""

import os
from pathlib import Path

import click
import pytest

from mlflow_lime.cli.outfiles import is_replaced, require_different, require_place, write_whole


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "gate.md"
    path.write_text("old and longer")
    write_whole(str(path), "né")
    assert path.read_text("utf-8") == "né"
    assert os.listdir(tmp_path) == ["gate.md"]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "gate.md"
    path.write_text("old")

    def refuse(self, target):
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write_whole(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["gate.md"]


def test_what_is_no_text_is_written_as_an_escape(tmp_path):
    path = tmp_path / "gate.md"
    write_whole(str(path), "new \ud800")
    assert path.read_text() == "new \\ud800"


def test_the_descriptor_of_a_pipe_is_written_to():
    reader, writer = os.pipe()
    path = f"/dev/fd/{writer}"
    require_place(path, "--json")
    assert not is_replaced(path)
    write_whole(path, "text")
    assert os.read(reader, 99) == b"text"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("second", ["gate.md", "./gate.md", "link.md"])
def test_two_options_that_name_one_file_are_refused(tmp_path, monkeypatch, second):
    monkeypatch.chdir(tmp_path)
    os.symlink("gate.md", "link.md")
    with pytest.raises(click.BadParameter, match="is what --json names too"):
        require_different({"--json": "gate.md", "--junit": second})


def test_options_that_name_different_files_or_none_are_taken():
    require_different({"--json": "a", "--junit": "b", "--markdown": None})
    require_different({"--json": "/dev/null", "--junit": "/dev/null", "--markdown": "-"})


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
