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
# # LangChain: what reranking is worth
#
# A BM25 retriever, a reranker behind it, and both measured on claims of [SciFact](https://github.com/allenai/scifact) (claims CC BY 4.0, abstracts ODC-By 1.0; a sample
# of test claims with the abstracts that BM25 finds for them). No key and no LLM is needed: the last step of the chain only shows what an LLM would get.

# %%
import gzip
import json
import os
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", message="IProgress not found")  # a bar that nobody asked for

import bm25s
import matplotlib.pyplot as plt
import numpy as np
import Stemmer
from IPython.display import Markdown
from langchain_bentorank import BentoRerank, BentoRerankRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

sample = json.loads(gzip.decompress(Path("data/scifact-sample.json.gz").read_bytes()))
documents = [
    Document(f"{title} {text}", id=key, metadata={"title": title}) for key, (title, text) in sample["abstracts"].items()
]
print(f"{len(sample['claims'])} claims, {len(documents)} abstracts")


def table(*columns, rows):
    """A table that the notebook renders."""
    lines = [columns, ["---"] * len(columns), *rows]
    return Markdown("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


# %% [markdown]
# ## A retriever
#
# Any LangChain retriever will do. This one is BM25.


# %%
class BM25Retriever(BaseRetriever):
    """The k documents that share the rarest words with the query, each with its `bm25` score."""

    documents: list[Document]
    k: int = 20

    def model_post_init(self, context):
        self._stemmer = Stemmer.Stemmer("english")
        self._index = bm25s.BM25()
        self._index.index(self._tokens([d.page_content for d in self.documents]), show_progress=False)

    def _tokens(self, texts):
        return bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)

    def _get_relevant_documents(self, query, *, run_manager):
        places, scores = self._index.retrieve(self._tokens([query]), k=self.k, show_progress=False)
        found = [self.documents[place] for place in places[0]]
        return [
            document.model_copy(update={"metadata": document.metadata | {"bm25": float(score)}})
            for document, score in zip(found, scores[0], strict=True)
        ]


bm25 = BM25Retriever(documents=documents)

# %% [markdown]
# ## The reranker behind it
#
# What the retriever wrote into the metadata stays, and `relevance_score` joins it. ✔ marks the abstracts that SciFact's authors judged to
# support or to refute the claim.

# %%
reranker = BentoRerank(base_url=os.environ.get("BENTORANK_BASE_URL", "http://127.0.0.1:3000"))
retriever = BentoRerankRetriever(base_retriever=bm25, reranker=reranker)

before = {key: bm25.invoke(claim) for key, claim in sample["claims"].items()}
after = {key: retriever.invoke(claim) for key, claim in sample["claims"].items()}


def mark(key, document):
    return "✔" if document.id in sample["judgements"][key] else ""


key, claim = next(iter(sample["claims"].items()))
places = {document.id: place for place, document in enumerate(before[key], 1)}
print(claim)
table(
    *("now", "was", "", "relevance", "BM25", "abstract"),
    rows=[
        (
            place,
            places[document.id],
            mark(key, document),
            f"{document.metadata['relevance_score']:.3f}",
            f"{document.metadata['bm25']:.1f}",
            document.metadata["title"],
        )
        for place, document in enumerate(after[key][:5], 1)
    ],
)

# %% [markdown]
# ## Where the retriever is wrong
#
# BM25 counts shared words, and so likes an abstract that has the claim's words in another sense. The cross-encoder reads both texts together. Here
# are the claims whose first relevant abstract rose the most, with what stood first before and after.


# %%
def first_relevant(key, found):
    """The place of the first relevant document; the one behind the last where there is none."""
    return next((place for place, document in enumerate(found, 1) if mark(key, document)), len(found) + 1)


moved = {key: first_relevant(key, before[key]) - first_relevant(key, after[key]) for key in before}
rescued = sorted(
    (key for key in moved if mark(key, after[key][0]) and moved[key] > 0), key=moved.__getitem__, reverse=True
)
table(
    *("claim", "BM25 has first", "the reranker has first", "which BM25 had at"),
    rows=[
        (
            sample["claims"][key],
            before[key][0].metadata["title"],
            f"✔ {after[key][0].metadata['title']}",
            first_relevant(key, before[key]),
        )
        for key in rescued[:4]
    ],
)

# %%
# There are such claims, each with a wrong abstract first before and a right one after.
assert len(rescued) >= 3
assert not any(mark(key, before[key][0]) for key in rescued)

# %% [markdown]
# It is not always right either. These lost the most:

# %%
table(
    *("claim", "first relevant before", "after", "the reranker has first"),
    rows=[
        (
            sample["claims"][key],
            first_relevant(key, before[key]),
            first_relevant(key, after[key]),
            f"{mark(key, after[key][0])} {after[key][0].metadata['title']}",
        )
        for key in sorted((key for key in moved if moved[key] < 0), key=moved.__getitem__)[:2]
    ],
)

# %% [markdown]
# ## Before and after
#
# nDCG@10 is 1 where every relevant abstract stands above every other, and falls the lower they stand. The means of few claims are uncertain: an interval of 95 % is
# where the mean would lie for other samples of such claims (bootstrap). Claims differ much more from each other than the two rankings of
# one claim do, so that the bars' intervals overlap. The right picture has the interval that counts, that of the differences on the same claims.


# %%
def ndcg_at_10(found, relevant):
    gains = [1 / np.log2(place + 2) for place, document in enumerate(found[:10]) if document.id in relevant]
    return sum(gains) / sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant))))


def interval(values):
    """The mean of `values`, with the ends of its 95 % interval."""
    resampled = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(axis=1)
    return np.mean(values), *np.percentile(resampled, [2.5, 97.5])


def measured(found):
    return np.array([ndcg_at_10(found[key], set(relevant)) for key, relevant in sample["judgements"].items()])


ndcg = {"BM25": measured(before), "reranked": measured(after)}
gain = ndcg["reranked"] - ndcg["BM25"]
values = {name: interval(each) for name, each in (ndcg | {"difference": gain}).items()}
table(
    *("ranking", "nDCG@10", "95 % interval"),
    rows=[(name, f"{mean:.3f}", f"{low:.3f} … {high:.3f}") for name, (mean, low, high) in values.items()],
)

# %%
figure, (bars, difference) = plt.subplots(1, 2, figsize=(7, 3), width_ratios=[2, 1])
for axes, names in ((bars, ["BM25", "reranked"]), (difference, ["difference"])):
    means, lows, highs = np.array([values[name] for name in names]).T
    axes.bar(names, means, color=["0.7", "tab:blue"][-len(names) :], width=0.6)
    axes.errorbar(names, means, [means - lows, highs - means], fmt="none", ecolor="black", capsize=6)
    for place, mean in enumerate(means):
        axes.text(place + 0.06, mean, f"{mean:+.3f}" if len(names) == 1 else f"{mean:.3f}", va="bottom")
    axes.spines[["top", "right"]].set_visible(False)
bars.set(ylabel="nDCG@10", ylim=(0, 1), title=f"{len(gain)} claims of SciFact")
difference.axhline(0, color="black", linewidth=0.8)
difference.set(xlim=(-0.8, 0.8), title=f"won {sum(gain > 0)}, lost {sum(gain < 0)}")
figure.tight_layout()

# %%
# Forty claims and a small model: the difference may not be told from none, but it is no loss.
assert np.mean(gain) > -0.02
assert all(np.isfinite(each).all() for each in ndcg.values())

# %% [markdown]
# ## In a chain
#
# `as_runnable()` fits the reranker between a retriever and a prompt. It appears in traces as a run of its own.

# %%
chain = (
    {"query": RunnablePassthrough(), "documents": bm25}
    | reranker.as_runnable()
    | RunnableLambda(lambda found: "\n".join(f"[{document.id}] {document.page_content[:70]}" for document in found[:3]))
)
print(chain.invoke(claim))

# %% [markdown]
# `ContextualCompressionRetriever` of `langchain_classic` takes `BentoRerank` as its `base_compressor` just as well.

# %%
reranker.close()
