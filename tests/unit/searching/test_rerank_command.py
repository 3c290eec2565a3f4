"""`bentorank rerank`: what someone who knows `grep` tries first. The fake engine counts the query's words."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bentorank.cli.app import app

if TYPE_CHECKING:
    from typer.testing import Result

BENTORANK = Path(sys.executable).with_name("bentorank")
BIRDS = "Bread needs flour.\n\nOwls hunt mice at night.\r\nOwls sleep.\n"
FISH = "Whales hunt krill.\nAll of them do. Some owls hunt fish at night. None reads.\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "birds.txt").write_bytes(BIRDS.encode())
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "sub" / "fish.md").write_text(FISH)
    (tmp_path / "sub" / ".git" / "owls").write_text("owls hunt at night\n")
    (tmp_path / "sub" / "picture.png").write_bytes(b"owls hunt at night\n\0\1\2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENTORANK_ENGINE", "fake")
    return tmp_path


def rerank(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(app, ["rerank", *arguments], input=stdin)


def test_lines_come_best_first_with_their_place():
    """`line:score:text`, with the file before it where there are several; empty lines are none."""
    result = rerank("owls hunt at night", "birds.txt")
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, third = result.stdout.splitlines()
    assert first == "3:0.9933:Owls hunt mice at night."
    assert second.startswith("4:0.07")
    assert third == "1:0.0067:Bread needs flour."
    result = rerank("owls hunt mice night", "-n2", "birds.txt", "sub/fish.md")
    assert [line.split(":")[:2] for line in result.stdout.splitlines()] == [["birds.txt", "3"], ["sub/fish.md", "2"]]


def test_standard_input_is_read_where_no_file_is_named():
    """Without a name before the line; with one where it is asked for; `-` stands for it among files."""
    assert rerank("owls", stdin="whales\nowls\n").stdout.startswith("2:0.9933:owls\n1:")
    assert rerank("owls", "-H", stdin="owls\n").stdout.startswith("(standard input):1:0.9933:owls\n")
    lines = rerank("owls", "birds.txt", "-", "-a", "-h", stdin="owls").stdout.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["1", "1", "3", "4"]


def test_folders_are_read_on_demand():
    """Neither hidden nor binary ones. Without -r a folder is trouble, and the rest is shown."""
    result = rerank("owls hunt mice", "-r", ".", "-n1")
    assert (result.exit_code, result.stdout) == (0, "birds.txt:3:0.9933:Owls hunt mice at night.\n")
    assert result.stderr == "bentorank: warning: 1 binary file was left out\n"
    assert rerank("owls", "-r", "--include", "*.md", "--json").stdout.count('"file": "sub/fish.md"') == 2
    result = rerank("owls", "sub", "birds.txt", "gone", "-n1")
    assert (result.exit_code, result.stdout.count("\n")) == (2, 1)
    assert result.stderr == "bentorank: sub: Is a directory\nbentorank: gone: No such file or directory\n"


def test_whole_files_are_ranked_by_their_best_part():
    """Each is shown by its best sentence, and the line that begins it."""
    result = rerank("owls hunt fish at night", "-l", "birds.txt", "sub/fish.md")
    first, second = result.stdout.splitlines()
    assert first.startswith("sub/fish.md:2:0.9")
    assert first.endswith(":Some owls hunt fish at night.")
    assert second.startswith("birds.txt:3:")
    assert second.endswith(":Owls hunt mice at night.")


def test_a_long_line_is_read_to_its_end():
    """Its best part counts, wherever it stands, and the sentence found there is the span."""
    line = "Nothing here. " * 2000 + "Owls hunt at night. " + "Nor here. " * 2000
    hit = json.loads(rerank("owls hunt at night", "--json", stdin=f"owls hunt\n{line}\n").stdout.splitlines()[0])
    assert (hit["line"], hit["text"]) == (2, line)
    start, end = hit["span"]
    assert line[start:end] == "Owls hunt at night."


def test_json_is_one_object_a_line():
    """With score, logit and what a program needs to find the place."""
    hit = json.loads(rerank("owls", "--json", "-n1", "birds.txt").stdout)
    assert hit.keys() == {"file", "line", "score", "logit", "text", "span"}
    assert (hit["file"], hit["text"]) == ("birds.txt", "Owls hunt mice at night.")
    assert 0.99 < hit["score"] < 1 < hit["logit"]
    whole = json.loads(rerank("owls hunt fish", "--json", "-l", "sub/fish.md").stdout)
    assert (whole["excerpt"], whole["line"]) == ("Some owls hunt fish at night.", 2)
    assert FISH[slice(*whole["span"])] == whole["excerpt"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "status"),
    [(["-t", "0.5"], "owls\n", 0), (["-t", "0.5"], "whales\n", 1), ([], " \n\n", 1), (["gone"], "", 2)],
)
def test_the_status_is_that_of_grep(arguments, stdin, status):
    """0 for something, 1 for nothing, 2 for trouble."""
    result = rerank("owls", *arguments, stdin=stdin)
    assert result.exit_code == status
    assert bool(result.stdout) == (status == 0)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--max-lines", "2"], "more than 2 lines up to (standard input): name less, raise --max-lines, or"),
        (["--max-bytes", "20"], "more than 20 bytes up to (standard input): name less, or raise --max-bytes"),
    ],
)
def test_a_limit_comes_before_the_work(arguments, problem, monkeypatch):
    """Part of a ranking would be a wrong one; no model is loaded."""
    monkeypatch.setenv("BENTORANK_ENGINE", "openvino")
    monkeypatch.setenv("BENTORANK_MODEL", "/nowhere")
    result = rerank("owls", *arguments, stdin=BIRDS)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"bentorank: {problem}")


def test_bm25_chooses_what_the_model_reads():
    """Beyond the limit of lines; what shares no word with the query is not read."""
    lines = "".join(f"line {number}\n" for number in range(50)) + "owls\n"
    result = rerank("owls", "--preselect", "3", "--max-lines", "2", stdin=lines)
    assert result.stdout == "51:0.9933:owls\n"


def test_what_is_not_text_is_said():
    """A named binary file is left out with a word; what is not UTF-8 is read, with a word."""
    result = rerank("owls", "sub/picture.png")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "bentorank: warning: sub/picture.png: binary file, left out\n"
    result = rerank("owls", stdin="owls caf\u00e9\n".encode("latin-1"))
    assert (result.exit_code, result.stdout) == (0, "1:0.9933:owls caf\ufffd\n")
    assert "not all of it is UTF-8" in result.stderr


def test_a_query_beyond_the_window_is_one_line():
    """As every error."""
    result = rerank("owls " * 1000, "birds.txt")
    assert result.exit_code == 2
    assert result.stderr.startswith("bentorank: the query has 1000 tokens")
    assert result.stderr.count("\n") == 1


def test_a_terminal_gets_colours_the_best_sentence_marked_and_no_control_characters(folder):
    """Where NO_COLOR is not set; a pipe gets the text as it is."""
    (folder / "mixed").write_text("\x1b]0;title\x07Bread. Owls hunt. Flour.\n")
    assert rerank("owls", "mixed").stdout.endswith(":\x1b]0;title\x07Bread. Owls hunt. Flour.\n")
    shown = on_a_terminal("rerank", "owls", "mixed")
    assert "\x1b[1;31mOwls hunt.\x1b[0m" in shown
    assert "title" in shown
    assert "\x1b]" not in shown
    assert "\x07" not in shown


def on_a_terminal(*arguments: str) -> str:
    """What the command writes to a terminal that it takes for one with colours."""
    keyboard, screen = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    with subprocess.Popen([BENTORANK, *arguments], stdin=screen, stdout=screen, stderr=screen, env=environment) as ran:
        os.close(screen)
        said = b""
        try:
            while some := os.read(keyboard, 65536):
                said += some
        except OSError:  # how a terminal says that the other side has left
            pass
    os.close(keyboard)
    assert ran.returncode == 0
    return said.decode()


def test_a_reader_who_leaves_ends_it_quietly(folder):
    """As `| head -n 1` does."""
    (folder / "many").write_text("owls and more\n" * 9000)
    pipeline = f"set -o pipefail; '{BENTORANK}' rerank owls many --all | head -n 1"
    done = subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, "1:0.9933:owls and more\n", "")
