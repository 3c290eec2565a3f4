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
# # When it breaks
#
# A service of our own, killed in the middle of the work. What does a caller see?

# %%
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
from bentorank_client import APIStatusError, CircuitOpenError, Reranker, RerankError
from bentorank_client.breaker import breaker_of

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"


def start(**settings):
    """`bentorank serve` in a session of its own, ready to answer."""
    command = [str(Path(sys.executable).with_name("bentorank")), "serve", "--port", str(port)]
    env = os.environ | {f"BENTORANK_{name.upper()}": str(value) for name, value in settings.items()}
    service = subprocess.Popen(
        command, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while service.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/readyz")
        except OSError:
            time.sleep(0.2)
        else:
            return service
    raise SystemExit("the service did not start")


def kill(service):
    """`kill -9` of supervisor and worker: no goodbye."""
    for process in [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]:
        process.kill()
    service.wait()


service = start()
passages = ["Bread needs flour.", "Owls eat mice.", "Ships carry freight."]
with Reranker(base_url=url) as reranker:
    print(reranker.rerank("what do owls eat", passages, top_n=1))

# %% [markdown]
# ## Raise, the default
#
# The call is tried three times, within its `timeout_s`. The error says what to do. After five failed attempts in a row the breaker opens: calls fail
# at once and leave the service alone.

# %%
kill(service)
with Reranker(base_url=url) as reranker:
    for attempt in range(4):
        started = time.monotonic()
        try:
            reranker.rerank("what do owls eat", passages)
        except RerankError as error:
            print(f"call {attempt + 1}, {time.monotonic() - started:5.3f} s: {type(error).__name__}: {error}")
            last = error
assert isinstance(last, CircuitOpenError)

# %% [markdown]
# ## Pass through
#
# A search page may rather show the retriever's order than nothing. That is a choice, and it shows: `degraded` is set, no score is invented, a warning is
# logged, and a callback can count it.

# %%
degraded = []
with Reranker(base_url=url, on_error="passthrough", on_degraded=degraded.append) as reranker:
    result = reranker.rerank("what do owls eat", passages)
print(result)
assert result.degraded
assert [ranked.index for ranked in result] == [0, 1, 2]
assert [ranked.relevance_score for ranked in result] == [None, None, None]
assert len(degraded) == 1

# %% [markdown]
# ## It comes back
#
# When the breaker has been open for some ten seconds one call probes, and all is well again.

# %%
service = start()
time.sleep(breaker_of(url).open_for_s)
with Reranker(base_url=url) as reranker:
    assert reranker.rerank("what do owls eat", passages)[0].index == 1
print(breaker_of(url).state.value)

# %% [markdown]
# ## Not everything in time
#
# Another service, slow on purpose: the engine for tests, which counts words, and takes 0.1 s for two or three passages. `on_deadline="partial"` asks for what
# is scored when the time is over: about the first passages of the list, best first. The others stand behind them as they came, and say why.

# %%
kill(service)
service = start(engine="fake", fake_batch_delay_ms=100, max_batch_tokens=24)
many = [f"Passage {number}: {'owls eat mice' if number % 3 else 'ships'}." for number in range(60)]
with Reranker(base_url=url, timeout_s=1.0) as reranker:
    started = time.monotonic()
    result = reranker.rerank("what do owls eat", many, on_deadline="partial")
    print(f"{time.monotonic() - started:.1f} s, {result.warnings}")
scored = [ranked for ranked in result if not ranked.unscored]
rest = result[len(scored) :]
print(scored[0], rest[0], sep="\n")
assert 0 < len(scored) < len(many) == len(result)
assert [ranked.index for ranked in rest] == sorted(ranked.index for ranked in rest)
assert {ranked.relevance_score for ranked in rest} == {float("-inf")}

# %% [markdown]
# ## A passage that cannot be scored
#
# One breaks the model (the engine for tests does so when told to). That is an error which names it; with `on_item_error="skip"` the others are ranked without it.

# %%
passages = ["Ships carry freight.", "[[poison]]", "Owls eat mice."]
with Reranker(base_url=url) as reranker:
    try:
        reranker.rerank("what do owls eat", passages)
    except APIStatusError as error:
        print(error)
    result = reranker.rerank("what do owls eat", passages, on_item_error="skip")
print(result.results, result.warnings, sep="\n")
assert [ranked.index for ranked in result] == [2, 0, 1]
assert result[2].unscored == "scoring_failed"

# %%
kill(service)
