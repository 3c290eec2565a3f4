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
# # From Cohere to bentorank by changing one URL
#
# The client is Cohere's own, `pip install cohere`, unmodified. It asks Cohere unless it is told another base URL.

# %%
import os

import cohere
from IPython.display import Markdown

BENTORANK = os.environ.get("BENTORANK_BASE_URL", "http://127.0.0.1:3000")
BASE_URLS = {"Cohere": "https://api.cohere.com", "bentorank": BENTORANK}


def client_of(name, key):
    return cohere.ClientV2(api_key=key, base_url=BASE_URLS[name])


# %% [markdown]
# ## The code that stays
#
# It knows nothing of who answers.

# %%
query = "how do owls find mice in the dark"
passages = [
    "The snowy owl breeds in the Arctic tundra and lays up to eleven eggs.",
    "A barn owl locates prey by sound: its ears sit at different heights, so it hears where a rustle comes from.",
    "Computer mice were once connected by a cable, and before that had a ball inside.",
    "Mice are active at night and eat seeds, fruit and insects.",
]


def best(client, n=3):
    answer = client.rerank(model="rerank-v3.5", query=query, documents=passages, top_n=n)
    return [(result.relevance_score, passages[result.index]) for result in answer.results]


def ranking(client):
    rows = "".join(f"\n| {score:.3f} | {passage} |" for score, passage in best(client))
    return Markdown(f"| relevance | passage |\n|---:|---|{rows}")


# %% [markdown]
# ## The line that changes
#
# bentorank takes any key until you [set your own](../SECURITY.md).

# %%
bentorank = client_of("bentorank", key=os.environ.get("BENTORANK_API_KEY", "any"))
assert best(bentorank, n=1)[0][1] == passages[1]
ranking(bentorank)

# %% [markdown]
# Cohere is only asked where `CO_API_KEY` is set, with the same code:

# %%
if key := os.environ.get("CO_API_KEY"):
    print(best(client_of("Cohere", key)))
else:
    print("CO_API_KEY is not set: nothing was sent to", BASE_URLS["Cohere"])

# %% [markdown]
# Not even a line need change: the client reads `CO_API_URL` where its code names no base URL. This is a program that knows of Cohere alone:

# %%
import subprocess
import sys

program = f"""
import cohere

answer = cohere.ClientV2().rerank(model="rerank-v3.5", query={query!r}, documents={passages!r}, top_n=1)
print(answer.results[0].index, answer.meta.billed_units.search_units, "search unit")
"""
environment = os.environ | {"CO_API_URL": BENTORANK, "CO_API_KEY": os.environ.get("BENTORANK_API_KEY", "any")}
done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
print(done.stdout)
assert done.stdout.startswith("1 ")

# %% [markdown]
# ## What else the code may use
#
# The first version of the API, the asynchronous clients, and `relevant_spans`, which say where in a long document the answer stands.

# %%
v1 = cohere.Client(api_key="any", base_url=BENTORANK)
answer = v1.rerank(model="rerank-v3.5", query=query, documents=passages, top_n=1, return_documents=True)
print("v1:", answer.results[0].document.text[:39])

async with cohere.AsyncClientV2(api_key="any", base_url=BENTORANK) as asynchronous:
    answer = await asynchronous.rerank(model="rerank-v3.5", query=query, documents=passages, top_n=1)
print("asynchronous:", answer.results[0].index)

page = "The line follows the river to the sea. " * 100 + passages[1] + " Trains stop at every harbour." * 100
answer = bentorank.rerank(
    model="rerank-v3.5", query=query, documents=[page], relevant_spans={"mode": "enabled", "threshold": 0.001}
)
span = answer.results[0].relevant_spans[0]
print(f"spans: {span.start} to {span.end} of {len(page)} characters")
assert passages[1] in page[span.start : span.end]

# %% [markdown]
# ## What `except` sees
#
# The client's own classes. The message names the field and the limit.

# %%
for name, bad in {
    "a blank query": {"query": " ", "documents": passages},
    "a thousand and one": {"query": query, "documents": ["Bread needs flour."] * 1001},
}.items():
    try:
        bentorank.rerank(model="rerank-v3.5", **bad)
    except cohere.core.ApiError as error:
        print(f"{name}: {type(error).__name__}, {error.status_code}: {error.body['message']}")
        assert error.status_code in (400, 413, 422)
    else:
        raise AssertionError(name)

# %% [markdown]
# ## What to look at before the change
#
# - **Scores** are of another model. The order is what counts; a threshold must be found anew, on judgements of yours ([notebook 05](05_choose_and_tune.ipynb)).
# - **`model`** may say any name and gets the model that is served, unless the service is [strict about names](../docs/models.md#several-models-on-one-server).
# - **Languages**: the model that ships reads English. Others: [which model for what](../README.md#choose-a-model).
# - **Length**: the model that ships reads 512 tokens of a query and a document, and cuts the rest unless asked for spans or chunks ([notebook 06](06_long_documents.ipynb)).
# - **LangChain, LlamaIndex, Haystack**: their Cohere classes take the base URL too ([which base URL for whom](../docs/dialects.md#where-to-point-a-client)), and
#   bentorank's own tell more: what was cut, what was left unscored, what it cost.
