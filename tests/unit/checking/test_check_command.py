"""`bentorank check`: what it says of the shipped model, and of folders that are not served."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bentorank.checking.processes import run
from bentorank.checking.steps import Refused
from bentorank.cli.app import app

if TYPE_CHECKING:
    from typer.testing import Result

BENTORANK = Path(sys.executable).with_name("bentorank")
STARTER = Path(__file__).parents[3] / "models" / "starter"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "openvino")
# A site's own start-up code, by which these two are not to be found.
WITHOUT_TORCH = "import sys\nsys.modules |= dict.fromkeys(('torch', 'sentence_transformers'))\n"


@pytest.fixture(autouse=True)
def environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets variables for the processes that it starts, and in these tests it runs in this one."""
    for name in ("MODEL", "MODELS", "ENGINE", "PRECISION"):
        monkeypatch.setenv(f"BENTORANK_{name}", "auto")
        monkeypatch.delenv(f"BENTORANK_{name}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model, to be broken."""
    model = tmp_path / "mine"
    model.mkdir()
    for name in FILES:
        (model / name).symlink_to(STARTER / name)
    return model


def check(*arguments: str) -> Result:
    """In this process."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["check", *arguments])


def check_apart(*arguments: str, python_path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """As a command; with what a start of Python finds in the folder."""
    environment = os.environ | {"COLUMNS": "80"} | ({} if python_path is None else {"PYTHONPATH": str(python_path)})
    command = [str(BENTORANK), "check", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)


def replace(file: Path, content: str) -> None:
    """With a file of its own."""
    file.unlink()
    file.write_text(content)


def reconfigure(folder: Path, **changes: Any) -> None:
    """In config.json."""
    config = json.loads((folder / "config.json").read_text())
    replace(folder / "config.json", json.dumps(config | changes))


def test_the_shipped_model_is_served_and_everything_is_said_of_it(tmp_path: Path) -> None:
    """Without torch, too, as on a CPU that serves; then there is nobody to compare it with, which is said."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)
    checked = check_apart("starter", "--json", python_path=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    said = json.loads(checked.stdout)
    assert (said["served"], said["reason"]) == (True, None)
    described = said["description"]
    assert (described["family"], described["window_tokens"], described["head"]) == ("bert", 512, "one label")
    assert (described["activation"], described["template"]) == ("sigmoid", "none: the texts as a pair")
    assert described["weights"] > 20e6
    assert (said["loaded"]["engine"], said["loaded"]["precision"]) == ("openvino", "int8")
    assert said["loaded"]["reads"] == "[CLS] a query [SEP] a document [SEP]"
    assert 10 * 2**20 < said["memory"]["model_bytes"] < said["memory"]["peak_bytes"] < said["memory"]["usable_bytes"]
    assert said["memory"]["longest_tokens"] == 512
    assert said["speed"]["tokens_per_s"] > 100
    assert said["comparison"] is None
    assert said["not_compared"].startswith("sentence-transformers is not installed: pip install ")


@pytest.mark.slow
def test_the_shipped_model_agrees_with_sentence_transformers() -> None:
    """The table says so, and fits into 80 columns."""
    checked = check_apart("starter")
    assert (checked.returncode, checked.stderr) == (0, "")
    lines = checked.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    names = "model weights window head activation template reads instruction precision engine memory speed agreement"
    assert list(filter(None, rows)) == [*names.split(), "verdict"]
    assert "3 of 3 lists in the same order" in " ".join(checked.stdout.replace("│", " ").split())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"id2label": {str(place): str(place) for place in range(3)}},
            "has 3 labels, and a reranker needs exactly one",
        ),
        ({"id2label": {"0": "no", "1": "yes"}}, "if the second is relevance, set BENTORANK_TWO_LABELS=true"),
        ({"architectures": ["BertModel"]}, "it is no cross-encoder"),
        ({"architectures": ["HF_ColBERT"]}, "but a model that compares vectors of tokens (late interaction)"),
        ({"auto_map": {"AutoModel": "own.Model"}}, "needs code from its repository, which is never run"),
        ({"max_position_embeddings": "many"}, "has a value of the wrong kind in its JSON files"),
    ],
)
def test_what_a_configuration_rules_out_is_said(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    """Nothing is loaded for it; the status tells programs."""
    reconfigure(folder, **changes)
    checked = check(str(folder), "--json")
    assert (checked.exit_code, checked.stderr) == (1, "")
    said = json.loads(checked.stdout)
    assert said["served"] is False
    assert sentence in said["reason"]
    assert said["loaded"] is None


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("model.safetensors", None, "has no safetensors weights"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer and not the file"),
        ("model.safetensors", "\0" * 100, "is no safetensors file"),
        ("config.json", None, "has no readable config.json"),
        ("config.json", '{"model_type": ', "config.json is not JSON: it may have been cut off"),
        ("config.json", "[1]", "has a value of the wrong kind in its JSON files"),
        ("tokenizer_config.json", "{", "tokenizer_config.json is not JSON"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named(
    folder: Path, file: str, content: str | None, sentence: str
) -> None:
    """Whatever else the folder has."""
    if content is None:
        (folder / file).unlink()
    else:
        replace(folder / file, content)
    checked = check(str(folder), "--json")
    assert (checked.exit_code, checked.stderr) == (1, "")
    assert sentence in json.loads(checked.stdout)["reason"]


def test_a_damaged_tokenizer_is_named(folder: Path) -> None:
    """Found by the process that loads the model; the table says what is known until then, in 80 columns."""
    replace(folder / "tokenizer.json", (STARTER / "tokenizer.json").read_text()[:1000])
    checked = check_apart(str(folder), "--no-measure")
    assert (checked.returncode, checked.stderr) == (1, "")
    assert max(map(len, checked.stdout.splitlines())) <= 80
    said = " ".join(checked.stdout.replace("│", " ").split())
    assert "BertForSequenceClassification of the family bert" in said
    assert "not served: the model's tokenizer.json is damaged, or newer than tokenizers" in said


def test_a_model_that_no_memory_holds_is_refused_before_it_is_read(folder: Path) -> None:
    """Of a file that takes no room itself."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}}).encode()
    (folder / "openvino").unlink()
    (folder / "model.safetensors").unlink()
    with (folder / "model.safetensors").open("wb") as weights:
        weights.write(len(header).to_bytes(8, "little") + header)
        weights.truncate(8 + len(header) + (4 << 40))
    said = json.loads(check(str(folder), "--json", "--engine", "torch").stdout)
    assert "takes 4096.0 GiB of memory for its weights alone, and there are" in said["reason"]


def test_a_folder_that_is_not_there_and_an_engine_without_a_model() -> None:
    """The one is an answer, the other a mistake in the command."""
    checked = check("./nowhere", "--json")
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)["reason"] == "the model setting names a folder that does not exist"
    checked = check("starter", "--engine", "fake")
    assert (checked.exit_code, checked.stdout) == (2, "")
    assert checked.stderr == "bentorank: the fake engine has no model that could be checked\n"


def test_a_name_of_the_list_of_models_is_checked_as_it_is_listed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the list says of it; other models are checked beside the list."""
    models = tmp_path / "models.toml"
    models.write_text(f'[[models]]\nname = "large"\naliases = ["big"]\nsource = "{folder}"\ntwo_labels = true\n')
    monkeypatch.setenv("BENTORANK_MODELS", str(models))
    monkeypatch.setenv("BENTORANK_TWO_LABELS", "false")
    said = json.loads(check("big", "--json").stdout)
    assert (said["model"], said["served"]) == (str(folder), False)
    assert said["reason"] == "BENTORANK_TWO_LABELS is set, and the model mine has 1 labels"
    monkeypatch.delenv("BENTORANK_MODEL")
    monkeypatch.setenv("BENTORANK_MODELS", str(models))
    assert json.loads(check("./nowhere", "--json").stdout)["model"] == "./nowhere"


def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> list[Any]:
    """What is heard of a process that runs `code`."""
    (tmp_path / "ending.py").write_text(f"import os, sys\n{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    return list(run("ending"))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (f"os.kill(os.getpid(), {signal.SIGKILL:d})", "its process was killed, most likely for want of memory"),
        (f"os.kill(os.getpid(), {signal.SIGFPE:d})", "its process was ended by SIGFPE"),
        ("print('loading'); {}['key']", "its process failed: KeyError: 'key'"),
        ("sys.exit(3)", "its process ended with status 3"),
    ],
)
def test_a_process_that_ends_otherwise_than_well_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    """A model can take its process with it, which must not take the check along."""
    assert ends(tmp_path, monkeypatch, code) == [Refused(sentence)]
