"""What stands around a query and a passage that a language model reads, and the answer that its score is read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """The score is the next token's logit for `true` less that for `false`, if there is one: ids, or tokens by name.

    It is divided by the `temperature` that the model was trained with, so that its sigmoid is the model's probability.
    """

    true: int | str
    false: int | str | None = None
    temperature: float = 1.0

    def ids(self, tokenizer: Tokenizer, model: str) -> list[int]:
        """Of `true` and perhaps of `false`. Raises ConfigurationError where the tokenizer lacks one."""
        wanted = [self.true] if self.false is None else [self.true, self.false]
        found = [token if isinstance(token, int) else tokenizer.token_to_id(token) for token in wanted]
        ids = [token for token in found if token is not None and tokenizer.id_to_token(token) is not None]
        if len(ids) < len(wanted):
            raise ConfigurationError(f"the model {model} lacks the tokens of the answers that its score is read from")
        return ids


@dataclass(frozen=True, slots=True)
class Prompt:
    """A pair is `opening`, `head` of instruction and query, `middle`, `lead`, the passage, `glue` and `ending`.

    Each of these is tokenised by itself, but that `lead` and `glue` are tokenised with the passage. Without an
    instruction `head` has the model's own, if any. `trims` says that texts lose the spaces around them.
    """

    head: Callable[[str | None, str], str]
    opening: str = ""
    middle: str = ""
    lead: str = ""
    glue: str = ""
    ending: tuple[str, ...] = ()
    takes_instruction: bool = True
    trims: bool = False


@dataclass(frozen=True, slots=True)
class PromptFamily:
    """Models that share a prompt and the tokens of their answers."""

    model_types: frozenset[str]
    prompt: Prompt
    answer: AnswerTokens


def _qwen3_head(instruction: str | None, query: str) -> str:
    instruction = instruction or "Given a web search query, retrieve relevant passages that answer the query"
    return (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
        ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        f"<|im_start|>user\n<Instruct>: {instruction}\n<Query>: {query}\n<Document>:"
    )


def _mxbai_head(instruction: str | None, query: str) -> str:
    return f"instruction: {instruction}\nquery: {query}" if instruction else f"query: {query}"


def _gemma_head(_instruction: str | None, query: str) -> str:
    return f"A: {query}"


def _zerank_head(_instruction: str | None, query: str) -> str:
    return f"<|im_start|>system\n{query.strip()}<|im_end|>\n<|im_start|>user\n"


FAMILIES: Final = {
    "qwen3-reranker": PromptFamily(
        frozenset({"qwen3"}),
        Prompt(_qwen3_head, lead=" ", ending=("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",)),
        AnswerTokens("yes", "no"),
    ),
    "mxbai-rerank-v2": PromptFamily(
        frozenset({"qwen2"}),
        Prompt(
            _mxbai_head,
            opening="<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
            "<|im_end|>\n<|im_start|>user\n",
            middle="\n",
            lead="document: ",
            ending=(
                "\n",
                (
                    "You are a search relevance expert who evaluates how well documents match search queries. For each"
                    " query-document pair, carefully analyze the semantic relationship between them, then provide your"
                    " binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:"
                ),
                "<|im_end|>\n<|im_start|>assistant\n",
            ),
        ),
        AnswerTokens("1", "0"),
    ),
    "bge-reranker-v2-gemma": PromptFamily(
        frozenset({"gemma"}),
        Prompt(
            _gemma_head,
            opening="<bos>",
            middle="\n",
            lead="B: ",
            ending=(
                "\n",
                (
                    "Given a query A and a passage B, determine whether the passage contains an answer to the query by"
                    " providing a prediction of either 'Yes' or 'No'."
                ),
            ),
            takes_instruction=False,
        ),
        AnswerTokens("Yes"),
    ),
    "zerank": PromptFamily(
        frozenset({"qwen3"}),
        Prompt(
            _zerank_head,
            ending=("<|im_end|>\n<|im_start|>assistant\n",),
            takes_instruction=False,
            trims=True,
        ),
        AnswerTokens("Yes", temperature=5.0),
    ),
}
"""By the name that the setting gives them: their files do not say, since they have a chat model's own template.

Sources: the cards of Qwen3-Reranker and zerank, zerank's modeling_zeranker.py, mixedbread-ai/mxbai-rerank,
FlagOpen/FlagEmbedding.
"""

# What a template says that is a reranker's own, and the tokens of its answers.
TEMPLATE_MARKS: Final = {
    "Judge whether the Document meets the requirements": AnswerTokens("yes", "no"),
    "You are a search relevance expert": AnswerTokens("1", "0"),
}
