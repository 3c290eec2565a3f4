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
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
from bentorank_client import CircuitOpenError, Reranker, RerankError
from bentorank_client.breaker import breaker_of

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"


def start():
    """`bentorank serve` in a session of its own, ready to answer."""
    command = [str(Path(sys.executable).with_name("bentorank")), "serve", "--port", str(port)]
    service = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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

# %%
kill(service)
