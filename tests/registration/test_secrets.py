"""The secret comes from one place, is worth its name, and stands in no message."""

import os

import pytest

from mlflow_lime.errors import ConfigError
from mlflow_lime.registration.secrets import find_secrets, missing_secret

SECRET = "f00dfacef00dfacef00d"


@pytest.fixture(autouse=True)
def no_secret(monkeypatch):
    monkeypatch.delenv("MLFLOW_LIME_WEBHOOK_SECRET", raising=False)
    monkeypatch.delenv("MLFLOW_LIME_WEBHOOK_SECRET_FILE", raising=False)


@pytest.fixture
def written(tmp_path):
    def write(content, mode=0o600):
        path = tmp_path / "secret"
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return write


def refusal(file=None):
    with pytest.raises(ConfigError) as caught:
        find_secrets(file)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_where_no_secret_is_set_there_is_none():
    assert find_secrets() == ()
    assert "openssl rand -hex 32" in str(missing_secret())


def test_the_environment_gives_the_secret(monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", SECRET)
    assert find_secrets() == (SECRET,)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_line_break_at_the_end_of_a_file_is_left_out(written, monkeypatch, end):
    path = written(SECRET.encode() + end)
    assert find_secrets(path) == (SECRET,)
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET_FILE", str(path))
    assert find_secrets() == (SECRET,)


def test_a_file_may_hold_older_secrets_below_the_current_one(written):
    assert find_secrets(written(b"a-new-one-of-some-length\nf00dfacef00dfacef00d\n")) == (
        "a-new-one-of-some-length",
        SECRET,
    )


def test_the_option_comes_before_the_environment(written, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", "another-secret-of-some-length")
    assert find_secrets(written(SECRET.encode())) == (SECRET,)


def test_two_variables_contradict(written, monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET_FILE", str(written(SECRET.encode())))
    assert "got both" in refusal()


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o602, 0o666])
def test_a_file_that_others_can_read_is_refused(written, mode):
    assert "chmod 600" in refusal(written(SECRET.encode(), mode))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "shorter than 16"),
        (b"f00dface", "shorter than 16"),
        (SECRET.encode() + b"\n\n", "line 2 is shorter"),
        (b"f" * 513, "longer than 512"),
        (b"f" * 10**6, "longer than 512"),
        (b"\n".join([SECRET.encode()] * 9), "more than 8 lines"),
        (b"f00dface f00dface f00dface", "blanks"),
        (b"f00dfacef00dface\x00f00dface", "blanks"),
        (b"\xff\xfe" * 20, "not UTF-8"),
    ],
)
def test_a_secret_of_another_form_is_refused(written, content, said):
    assert said in refusal(written(content))


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "missing")


def test_a_short_secret_in_the_environment_is_not_shown(monkeypatch):
    monkeypatch.setenv("MLFLOW_LIME_WEBHOOK_SECRET", "hunter2")
    assert "hunter2" not in refusal()
