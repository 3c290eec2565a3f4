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
# # Long documents: cut, split, and where the answer stands
#
# A model reads so many tokens and no more: 512 of query and document with the one that ships, about 350 words. What becomes of a longer document is for you to say, and
# every answer says what did.
#
# The documents are nine articles of Wikipedia, in those paragraphs that ship with bentorank (SQuAD 1.1 dev, Rajpurkar et al. 2016; CC BY-SA 4.0, and so
# are the excerpts below).

# %%
import gzip
import html
import json
import os
import re
from importlib.resources import files

from bentorank_client import APIStatusError, Reranker
from IPython.display import HTML, Markdown

packed = (files("bentorank.evaluation") / "data" / "lists.json.gz").read_bytes()
paragraphs = dict.fromkeys(text for each in json.loads(gzip.decompress(packed)) for text in each["passages"])
titles = [
    *("American Broadcasting Company", "Ctenophora", "Economic inequality", "Force", "French and Indian War"),
    *("Geology", "Private school", "Super Bowl 50", "Teacher"),
]
articles = [
    "\n\n".join(text.removeprefix(f"{title} ") for text in paragraphs if text.startswith(f"{title} "))
    for title in titles
]
print({title: len(article.split()) for title, article in zip(titles, articles, strict=True)})

# Scores that the service remembers cost nothing. Fresh ones show what each way costs.
reranker = Reranker(base_url=os.environ.get("BENTORANK_BASE_URL", "http://127.0.0.1:3000"), no_cache=True)


def show(result):
    rows = "".join(
        f"\n| {each.relevance_score:.3f} | {titles[each.index]} | {each.truncated} | {tuple(each.span) if each.span else ''} |"
        for each in result
    )
    return Markdown(f"| relevance | article | truncated | span |\n|---:|---|---|---|{rows}")


# %% [markdown]
# ## Cut
#
# Unless you say otherwise the end of a long document is cut. The answer to this question stands in the last paragraphs of *Ctenophora*, where the model never came: another
# article is first. `truncated` and a warning say that something was not read.

# %%
query = "What is the fossil Stromatoveris similar to?"
cut = reranker.rerank(query, articles, top_n=3)
print(*cut.warnings)
assert titles[cut[0].index] != "Ctenophora"
assert all(each.truncated for each in cut)
show(cut)

# %% [markdown]
# ## Split
#
# With `overflow="chunk"` a long document is split into chunks that overlap, each is read, and the best one counts. `span` says where it stands in the text.

# %%
split = reranker.rerank(query, articles, top_n=3, overflow="chunk")
best = split[0]
assert titles[best.index] == "Ctenophora"
assert not any(each.truncated for each in split)
show(split)

# %% [markdown]
# It costs what it reads, where the service does not remember the scores:

# %%
for name, result in (("cut", cut), ("split", split)):
    print(f"{name}: {result.usage.pairs} pairs, {result.usage.total_tokens} tokens")
assert split.usage.pairs > cut.usage.pairs

# %% [markdown]
# ## Shown in the text
#
# A span is a slice of the text that you sent, in characters: nothing to search for. A chunk is as long as the model's window. Which of its sentences answers is
# found in the same way: they are ranked. A page may mark it, and an LLM need not get more than the chunk.


# %%
def sentences_of(article, span):
    """Where each sentence of that part of the article begins and ends."""
    return [
        (span.start + found.start(), span.start + found.end())
        for found in re.finditer(r"[^.?!\s](?:[^.?!\n]|[.?!](?!\s|$))*[.?!]?", article[span.start : span.end])
    ]


def best_sentence(query, article, span):
    places = sentences_of(article, span)
    (found,) = reranker.rerank(query, [article[start:end] for start, end in places], top_n=1)
    return places[found.index]


def marked(query, ranked, around=300):
    """The best sentence of the best chunk in what surrounds it; with where the chunk stands."""
    article, span = articles[ranked.index], ranked.span
    start, end = best_sentence(query, article, span)
    before, answer, after = (
        html.escape(text)
        for text in (article[span.start : start][-around:], article[start:end], article[end : span.end][:around])
    )
    return HTML(
        f"<p><b>{titles[ranked.index]}</b>, characters {span.start:,} to {span.end:,} of {len(article):,}</p>"
        f"<blockquote>… {before}<mark><b>{answer}</b></mark>{after} …</blockquote>"
    )


start, end = best_sentence(query, articles[best.index], best.span)
assert "Vendobionta" in articles[best.index][start:end]
assert best.span.start <= start < end <= best.span.end
marked(query, best)

# %%
query = "How many people work for Kunskapsskolan schools?"
(best,) = reranker.rerank(query, articles, top_n=1, overflow="chunk")
assert "Kunskapsskolan" in articles[best.index][best.span.start : best.span.end]
marked(query, best)

# %% [markdown]
# ## Refused
#
# Who must not miss anything, and will not pay for chunks, has long documents refused. The message names the field and the limit.

# %%
try:
    reranker.rerank(query, articles, overflow="error")
except APIStatusError as error:
    print(error)
    assert error.status == 400
else:
    raise AssertionError("nine long articles were taken")

# %% [markdown]
# ## Less, on purpose
#
# Title and first paragraph often tell enough: `max_tokens_per_doc` reads no more. `max_chunks_per_doc` bounds what one long document may cost, and
# `overlap_tokens` is what neighbouring chunks share.

# %%
for asked in ({"max_tokens_per_doc": 64}, {"overflow": "chunk", "max_chunks_per_doc": 2}, {"overflow": "chunk"}):
    result = reranker.rerank(query, articles, **asked)
    place = [titles[each.index] for each in result].index("Private school") + 1
    print(
        f"{asked}: {result.usage.total_tokens} tokens, {result.usage.truncated_documents} cut, the right article at {place}"
    )
assert place == 1

# %% [markdown]
# What splitting gains where answers stand late, in figures: [benchmarks](../benchmarks/results/long_documents.md). `BENTORANK_OVERFLOW=chunk` makes it the rule for
# requests that do not say; LangChain's, LlamaIndex's and Haystack's packages take the same fields.

# %%
reranker.close()
