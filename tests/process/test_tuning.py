"""`bentorank tune` for real, and a server with the file that it writes."""

from __future__ import annotations

import re
import shlex

import pytest
from support.contract import ContractClient
from support.server import BIN, REPOSITORY, run_command, running_server

from bentorank.process.env_file import read_env_file
from bentorank.settings import environment_name

pytestmark = pytest.mark.process

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# What may be chosen. int8 is in force, so that it is no candidate.
CHOICES = {"precision": {"int8"}, "threads": {"1"}, "streams": {"1"}, "max_batch_tokens": {"2048"}}
# As short as it goes: the least pairs, of few tokens, in the least rounds.
SHORT = ("--minutes", "0.2", "--limit-queries", "4")


def documented(command, tmp_path):
    """The README's line, with its file in `tmp_path`."""
    (line,) = re.findall(rf"^bentorank {command} .*bentorank\.env$", README, flags=re.MULTILINE)
    return shlex.split(line.replace("bentorank.env", str(tmp_path / "bentorank.env")))[1:]


@pytest.mark.slow
def test_what_tune_writes_is_served(tmp_path):
    """The README's two lines, on a machine where one pair a pass is in force, which nearly anything beats."""
    (tmp_path / "before.env").write_text("BENTORANK_MAX_BATCH_TOKENS=1\nBENTORANK_MAX_PAIR_TOKENS=64\n")
    only = [word for field, values in CHOICES.items() for word in (f"--{field.replace('_', '-')}", *values)]
    command = [*documented("tune", tmp_path), *only, *SHORT]
    done = run_command(tmp_path, *command, timeout_s=200, env_file=tmp_path / "before.env")
    assert done.returncode == 0, done.stdout
    assert "starter: openvino" in done.stdout

    written = read_env_file(tmp_path / "bentorank.env")
    assert written.pop("BENTORANK_MODEL") == "starter"
    allowed = {environment_name(field): values for field, values in CHOICES.items()}
    assert "BENTORANK_PRECISION" not in written
    assert all(value in allowed[name] for name, value in written.items())
    comments = (tmp_path / "bentorank.env").read_text()
    assert ("Nothing was faster" in comments) == (written == {})

    serve = [str(BIN / "bentorank"), *documented("serve", tmp_path)]
    with running_server(tmp_path, serve) as server, ContractClient(server.url) as client:
        info = client.get("/info").json()
        assert info["max_batch_tokens"] == int(written.get("BENTORANK_MAX_BATCH_TOKENS", 1024))
        answer = client.rerank("what do owls hunt", ["bread needs flour", "owls hunt mice"]).json()
        assert answer["results"][0]["index"] == 1


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["--precision", "f16"], {}, "the openvino engine on this cpu would emulate f16"),
        (["--out", "README.md"], {}, "README.md exists: choose another --out, or let --force replace it"),
        ([], {"engine": "fake"}, "the fake engine ranks nothing, so there is nothing to tune"),
        (["--model", "./not-there"], {}, "cannot be measured: the model setting names a folder that does not exist"),
        (["--queries", "README.md"], {}, "take all three of --corpus, --queries and --qrels"),
    ],
    ids=str,
)
def test_what_cannot_be_tuned_is_said_in_a_sentence(tmp_path, arguments, settings, sentence):
    """Status 2, as for any wrong use of a command."""
    done = run_command(tmp_path, "tune", *arguments, **settings)
    assert done.returncode == 2, done.stdout
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout
