# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Choose and tune a model on your own judgements
#
# Which model, which precision, which settings: that depends on your texts and your machine. Three commands answer it: `bentorank eval`,
# `export` and `tune`; a fourth, `serve`, takes what they wrote. They take bentorank with its extras `[eval]` and `[quantize]`.

# %%
import gzip
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bentorank_client import Reranker, RerankError

work = Path(tempfile.mkdtemp())
COLOURED = {"FORCE_COLOR", "CLICOLOR_FORCE"}  # which Jupyter sets, and not every page shows


def bentorank(*arguments):
    """Run the command, as in a terminal."""
    print("$ bentorank", *arguments, "\n")
    done = subprocess.run(
        ["bentorank", *map(str, arguments)],
        cwd=work,
        env={name: value for name, value in os.environ.items() if name not in COLOURED} | {"COLUMNS": "96"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


# %% [markdown]
# ## Judgements
#
# Some dozens of queries from your log, and for each the passages that somebody found relevant: three files in BEIR's form. These are claims of
# [SciFact](https://github.com/allenai/scifact) (claims CC BY 4.0, abstracts ODC-By 1.0).

# %%
sample = json.loads(gzip.decompress(Path("data/scifact-sample.json.gz").read_bytes()))
judged = work / "judged"
(judged / "qrels").mkdir(parents=True)


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


write_lines(
    judged / "corpus.jsonl",
    (json.dumps({"_id": key, "title": title, "text": text}) for key, (title, text) in sample["abstracts"].items()),
)
write_lines(
    judged / "queries.jsonl", (json.dumps({"_id": key, "text": text}) for key, text in sample["claims"].items())
)
write_lines(
    judged / "qrels" / "test.tsv",
    [
        "query-id\tcorpus-id\tscore",
        *(f"{query}\t{passage}\t1" for query, passages in sample["judgements"].items() for passage in passages),
    ],
)
for path in sorted(judged.rglob("*.*")):
    print(f"{path.relative_to(work)}: {path.read_text().splitlines()[-1][:90]}")

# %% [markdown]
# ## What a model is worth
#
# BM25's best ten of each claim, reranked, and the difference with its 95 % interval. One that reaches below 0 has not shown that reranking helps these queries: judge more
# of them. Other models, names at Hugging Face or folders, join by `MODELS="starter BAAI/bge-reranker-base"`. Where two differ by less than the interval take the faster one;
# where BM25 is as good as any, none. Leave `--top-k` out for yours, and 100 are reranked.

# %%
for model in os.environ.get("MODELS", "starter").split():
    print(bentorank("eval", "judged", "--model", model, "--top-k", 10))

# %% [markdown]
# ## int8 for a CPU
#
# `export` converts the model that you chose, calibrates it on some of your passages, and compares it with the original on the others. One that would rank otherwise is
# not handed over. So that this notebook ends soon it looks at six queries: leave the limits out.

# %%
files = ("--corpus", "judged/corpus.jsonl", "--queries", "judged/queries.jsonl", "--qrels", "judged/qrels/test.tsv")
print(bentorank("export", "--model", "starter", "--out", "chosen", *files, "--limit-queries", 6, "--top-k", 5))
assert any((work / "chosen").rglob("*.xml"))

# %% [markdown]
# ## A first stage?
#
# Where a hundred candidates cost too much, the model's own word embeddings may sort out some beforehand, and the model reads those that are kept
# ([cascade](../docs/cascade.md)). What that loses on your judgements, and how many times as fast it is, `eval` says. A model as small and fast as this one has
# little to gain; a large one has more.

# %%
print(
    bentorank(
        *("eval", "judged", "--model", "chosen", "--limit-queries", 10, "--top-k", 20),
        *("--first-stage", "embeddings", "--keep", 10),
    )
)

# %% [markdown]
# ## Settings for this machine
#
# `tune` measures threads, streams and token budgets, and keeps what is faster by more than noise and ranks as f32 does. A few minutes are enough, on a machine that does nothing
# else meanwhile; here it gets seconds, and tries one thing.

# %%
print(
    bentorank(
        *("tune", "--model", "chosen", "--out", "chosen.env", "--minutes", 0.1, "--precision", "int8", "--threads", 1),
        *(*files, "--limit-queries", 4, "--top-k", 5),
    )
)
print((work / "chosen.env").read_text().replace(f"{work}/", ""))

# %% [markdown]
# ## Serve it
#
# `--env-file`, or docker's, takes the file as it is.

# %%
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
service = subprocess.Popen(
    ["bentorank", "serve", "--env-file", "chosen.env", "--port", str(port)],
    cwd=work,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    with Reranker(base_url=f"http://127.0.0.1:{port}") as reranker:
        while service.poll() is None:
            try:
                (model,) = reranker.models()
                break
            except RerankError:
                time.sleep(1)
        print(f"{model.name} on {model.device}, {model.engine} {model.precision}")
        (best,) = reranker.rerank("what do owls eat", ["Bread needs flour.", "Owls eat mice."], top_n=1)
        assert best.index == 1
finally:
    service.terminate()
    service.wait()
shutil.rmtree(work)
