"""Settings that cannot be served end the process: one sentence, a status that is not 0, no loop of restarts."""

import shutil
import socket
import subprocess

import pytest
from support.server import BIN, REPOSITORY, environment, free_port, run_command

pytestmark = pytest.mark.process


def refused(done, status, sentence):
    assert done.returncode == status, done.stdout
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_docs": 5}, "unknown setting BENTORANK_MAX_DOCS; did you mean BENTORANK_MAX_DOCUMENTS?"),
        ({"max_documents": 0}, "BENTORANK_MAX_DOCUMENTS: Input should be greater than or equal to 1"),
        ({"api_keys": "short"}, "BENTORANK_API_KEYS: a key has at least 8 characters, printable ASCII"),
        ({"cache_dir": "~no-such-user/cache"}, "BENTORANK_CACHE_DIR: there is no home folder for ~: set it, or HOME"),
        ({"engine": "openvino", "device": "cuda"}, "engine openvino runs on the CPU, but device is cuda"),
    ],
    ids=str,
)
def test_wrong_settings_are_told_in_one_sentence(tmp_path, settings, sentence):
    """Unknown, out of range, contradicting: status 2, as for any wrong use of a command."""
    said = refused(run_command(tmp_path, "serve", **settings), 2, sentence)
    assert len(said.splitlines()) == 1


def test_a_missing_model_ends_the_service(tmp_path):
    """No endless restarts: whoever supervises the process sees it fail, and the log says why, once."""
    done = run_command(tmp_path, "serve", "--port", str(free_port()), model=str(tmp_path / "not-there"))
    refused(done, 1, "cannot start: the model setting names a folder that does not exist")
    assert done.stdout.count("cannot start") == 1


def test_a_file_of_settings_with_a_typing_error_is_refused(tmp_path):
    """As the variable would be, before anything is loaded."""
    file = tmp_path / "typo.env"
    file.write_text("BENTORANK_MAX_DOCS=5\n")
    done = run_command(tmp_path, "serve", "--env-file", str(file))
    refused(done, 2, "BENTORANK_ENV_FILE: unknown setting BENTORANK_MAX_DOCS; did you mean BENTORANK_MAX_DOCUMENTS?")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "No such file"),
        ("# none yet\n", "has no key in it"),
        ("good-key-1\nshort\n", "has an unusable key in it"),
    ],
)
def test_keys_that_cannot_be_read_end_the_service(tmp_path, content, sentence):
    """Rather than serve everybody, or nobody. The sentence shows neither key nor path."""
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    done = run_command(tmp_path, "serve", "--engine", "fake", "--port", str(free_port()), api_keys_file=file)
    said = refused(done, 2, f"BENTORANK_API_KEYS_FILE: {sentence}")
    assert "good-key-1" not in said


def test_a_port_in_use_is_said_so(tmp_path):
    """One sentence, before anything is loaded."""
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        done = run_command(tmp_path, "serve", "--engine", "fake", "--port", str(port))
    refused(done, 2, f"cannot listen on 127.0.0.1 port {port}: Address already in use")


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("localhost", "host: localhost is not an IP address"),
        ("203.0.113.7", "cannot listen on 203.0.113.7 port "),
    ],
)
def test_an_address_that_cannot_be_had_is_said_so(tmp_path, host, sentence):
    """A name instead of an address, or somebody else's address."""
    done = run_command(tmp_path, "serve", "--engine", "fake", "--host", host, "--port", str(free_port()))
    refused(done, 2, sentence)


def test_without_a_home_folder_the_setting_is_named(tmp_path):
    """As in a container whose user has none and no HOME either."""
    nobody = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    try:
        subprocess.run([*nobody, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system allows no user of its own")
    env = {name: value for name, value in environment(tmp_path, engine="fake").items() if name != "HOME"}
    del env["BENTORANK_CACHE_DIR"]
    command = [*nobody, str(BIN / "bentorank"), "serve", "--port", str(free_port())]
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    refused(done, 2, "BENTORANK_CACHE_DIR: there is no home folder for ~: set it, or HOME, to a folder to write to")


def test_a_folder_that_cannot_be_written_to_is_said_so(tmp_path):
    """In one sentence that names the setting and not the path."""
    file = tmp_path / "a-file"
    file.touch()
    environment_without_home = ["env", "-u", "BENTOML_HOME", str(BIN / "bentorank"), "serve", "--engine", "fake"]
    done = subprocess.run(
        [*environment_without_home, "--port", str(free_port())],
        env=environment(tmp_path / "home", cache_dir=file / "cache"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    said = refused(done, 2, "BentoML's folder: Not a directory; set BENTORANK_CACHE_DIR or BENTOML_HOME to another")
    assert str(file) not in said


def test_a_conversion_that_cannot_be_kept_is_said_so(tmp_path):
    """The service ends, once, with the setting that helps."""
    file = tmp_path / "a-file"
    file.touch()
    model = tmp_path / "model"
    shutil.copytree(REPOSITORY / "models" / "starter", model, ignore=shutil.ignore_patterns("openvino", "src"))
    settings = {"model": model, "precision": "f32", "engine": "openvino", "cache_dir": file / "cache"}
    done = run_command(tmp_path / "home", "serve", "--port", str(free_port()), **settings)
    said = refused(done, 1, "cannot start: model has to be converted for OpenVINO, and the folder for that is unusable")
    assert "set BENTORANK_CACHE_DIR to one that can be written to" in said
    assert str(file) not in said
