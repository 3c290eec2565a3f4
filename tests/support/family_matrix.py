"""Families of models × engines × precisions × what becomes of long passages, each against the library it comes from.

Models are small and random; the reference reads one pair at a time, in f32, so that it neither pads nor rounds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.options import ModelHints
from bentorank.errors import ConfigurationError
from bentorank.types import LengthPolicy, Overflow, Pair
from support.conversion import convert_here

if TYPE_CHECKING:
    from bentorank.engines import Engine
    from bentorank.types import EncodedPair

Build: TypeAlias = Callable[[Any, Path], None]

ENGINES = (EngineKind.TORCH, EngineKind.OPENVINO)
PRECISIONS = (Precision.F32, Precision.BF16, Precision.INT8)
OVERFLOWS = (Overflow.TRUNCATE, Overflow.CHUNK)

QUERIES = ("lighthouse lamp", "How long to learn?", "数据库")
PROMPT_WINDOW = 640
"""Of prompts named by the setting, which are longer than those of the small models' own templates."""


@dataclass(frozen=True, slots=True)
class Family:
    """One way that a model of a family comes; `answers` are the tokens of a causal model that the setting names."""

    name: str
    build: Build
    hints: ModelHints = field(default_factory=ModelHints)
    answers: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """A folder's name."""
        return "-".join(self.name.lower().replace(",", "").split())

    @property
    def is_causal(self) -> bool:
        """Whether it predicts tokens rather than a label."""
        return bool(self.answers) or "LogitScore" in self.name

    @property
    def reads_prompts(self) -> bool:
        """Whether it is asked as language models are."""
        return self.is_causal or "chat template" in self.name


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one combination: pairs and chunks, the largest difference of a logit and how logits correlate with
    the reference's, whose standard deviation is `spread`; or the `reason` why it is not served.
    """

    family: str
    engine: str
    precision: str
    overflow: str
    pairs: int = 0
    max_difference: float | None = None
    correlation: float | None = None
    spread: float | None = None
    reason: str | None = None


def any_family(model_type: str, *, of_bytes: bool = False) -> Build:
    """A classifier with a pair's two texts one after the other."""
    return lambda tiny_models, folder: tiny_models.build_any(folder, model_type, of_bytes=of_bytes)


def named(builder: str) -> Build:
    """A classifier that has a builder of its own."""
    return lambda tiny_models, folder: getattr(tiny_models, builder)(folder)


def logit_score(model_type: str, template: str, true: str, false: str | None) -> Build:
    """A causal model as sentence-transformers saves one."""

    def build(tiny_models: Any, folder: Path) -> None:
        tiny_models.build_causal(folder, model_type, template=getattr(tiny_models, template))
        tiny_models.add_logit_score(folder, true, false)

    return build


def bare_causal(model_type: str) -> Build:
    """A causal model with a chat model's template, which says nothing of reranking."""

    def build(tiny_models: Any, folder: Path) -> None:
        tiny_models.build_causal(folder, model_type, template="{{ messages }}", max_position_embeddings=PROMPT_WINDOW)
        tiny_models.set_window(folder, PROMPT_WINDOW)

    return build


def two_labels(tiny_models: Any, folder: Path) -> None:
    """BERT with a head of MS MARCO's kind."""
    tiny_models.build_bert(folder, num_labels=2)


def three_labels(tiny_models: Any, folder: Path) -> None:
    """BERT that tells entailment from contradiction."""
    tiny_models.build_bert(folder, num_labels=3)


def called(architecture: str, model_type: str = "bert", **config: Any) -> Build:
    """A folder whose config.json says that it holds something else."""

    def build(tiny_models: Any, folder: Path) -> None:
        tiny_models.build_bert(folder)
        file = folder / "config.json"
        changes = {"architectures": [architecture], "model_type": model_type} | config
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return build


def by_format(name: str) -> ModelHints:
    """What the setting says of a model that does not say it."""
    return ModelHints(prompt_format=name)


FAMILIES = (
    Family("BERT", named("build_bert")),
    Family("BERT with two labels, by setting", two_labels, ModelHints(two_labels=True)),
    Family("XLM-R", named("build_xlm_roberta")),
    Family("RoBERTa", any_family("roberta", of_bytes=True)),
    Family("ModernBERT", named("build_modernbert")),
    Family("DeBERTa-v2", named("build_deberta_v2")),
    Family("ELECTRA", any_family("electra")),
    Family("MPNet", any_family("mpnet", of_bytes=True)),
    Family("DistilBERT", named("build_distilbert")),
    Family("ALBERT", any_family("albert")),
    Family("Llama classifier", any_family("llama")),
    Family("Gemma classifier", any_family("gemma")),
    Family("Qwen3, LogitScore", logit_score("qwen3", "QWEN3_TEMPLATE", "yes", "no")),
    Family("Qwen3, by prompt format", bare_causal("qwen3"), by_format("qwen3-reranker"), ("yes", "no")),
    Family("Qwen3, classifier with a chat template", named("build_chat_classifier")),
    Family("Qwen2, by prompt format", bare_causal("qwen2"), by_format("mxbai-rerank-v2"), ("1", "0")),
    Family("Gemma, by prompt format", bare_causal("gemma"), by_format("bge-reranker-v2-gemma"), ("Yes",)),
    Family("Gemma 2, LogitScore", logit_score("gemma2", "BARE_TEMPLATE", "1", "0")),
    Family("Llama, LogitScore", logit_score("llama", "BARE_TEMPLATE", "Yes", None)),
)
REFUSED = (
    Family("BERT with two labels, not set", two_labels),
    Family("BERT with three labels", three_labels),
    Family("Qwen3 that says nothing of reranking", bare_causal("qwen3")),
    Family("ConvBERT", any_family("convbert")),
    Family("FNet", any_family("fnet")),
    Family("BART", any_family("bart")),
    Family("Bi-encoder", called("BertModel")),
    Family("ColBERT", called("HF_ColBERT")),
    Family("Listwise reranker with code of its own", called("JinaForRanking", auto_map={"AutoModel": "modeling.Own"})),
    Family("Reranker of pictures", called("Qwen3VLForConditionalGeneration", "qwen3_vl")),
)
"""Of which no engine computes a score; for each a sentence says why."""


class Subject:
    """A family's model on disk, what it is asked, and what its own library answers."""

    def __init__(self, family: Family, tiny_models: Any, scratch: Path) -> None:
        self.family = family
        self.folder = scratch / family.slug
        self._cache_dir = scratch / "cache"
        family.build(tiny_models, self.folder)
        self._reference = tiny_models.reference
        self._texts: dict[int, np.ndarray] = {}
        self._tokens: dict[tuple[bytes, ...], np.ndarray] = {}
        passages = (*tiny_models.CORPUS, " ".join(tiny_models.CORPUS) * 5, "", "x", "[SEP] literally </s>")
        self.pairs = [Pair(query, passage) for query in QUERIES for passage in passages]

    def load(self, kind: EngineKind, precision: Precision) -> Engine:
        """As the service loads it. Raises ConfigurationError."""
        options = EngineOptions(
            str(self.folder),
            kind,
            precision=precision,
            device="cpu",
            threads=1,
            cache_dir=self._cache_dir,
            hints=self.family.hints,
        )
        if kind is EngineKind.OPENVINO:
            convert_here(self.folder, self._cache_dir, self.family.hints, quantize=precision is Precision.INT8)
        return load_engine(options)

    def expected_of_texts(self, max_tokens: int) -> np.ndarray:
        """Logits of all pairs as sentence-transformers reads and cuts them."""
        if max_tokens not in self._texts:
            model = self._reference(self.folder)
            # It overlooks that some position tables are longer than the window.
            model.max_seq_length = min(model.max_seq_length or max_tokens, max_tokens)
            texts = [tuple(pair) for pair in self.pairs]
            logits = model.predict(texts, activation_fn=torch.nn.Identity(), batch_size=1)
            self._texts[max_tokens] = logits if logits.ndim == 1 else logits[:, 1] - logits[:, 0]
        return self._texts[max_tokens]

    def expected_of_tokens(self, encoded: list[EncodedPair]) -> np.ndarray:
        """Logits of these tokens, by transformers' own class, one row at a time."""
        key = tuple(pair.input_ids.tobytes() for pair in encoded)
        if key not in self._tokens:
            kind = AutoModelForCausalLM if self.family.is_causal else AutoModelForSequenceClassification
            model = kind.from_pretrained(str(self.folder), dtype=torch.float32).eval()
            score = self._answer_of() if self.family.is_causal else _label
            with torch.inference_mode():
                self._tokens[key] = np.array([score(model(**_inputs(pair)).logits[0]) for pair in encoded])
        return self._tokens[key].copy()

    def _answer_of(self) -> Callable[[torch.Tensor], float]:
        """The score of a causal model: one token's logit at the end of the prompt, less another's, if there is one."""
        answer = open_checkpoint(str(self.folder), hints=self.family.hints).answer
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        wanted = self.family.answers or (answer.true, answer.false)
        named = [token for token in wanted if token is not None]
        true, *false = [token if isinstance(token, int) else tokenizer.token_to_id(token) for token in named]
        return lambda logits: float(logits[-1, true]) - sum(float(logits[-1, token]) for token in false)


def _inputs(pair: EncodedPair) -> dict[str, torch.Tensor]:
    ids = torch.from_numpy(pair.input_ids)[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if pair.token_type_ids is not None:
        inputs["token_type_ids"] = torch.from_numpy(pair.token_type_ids)[None]
    return inputs


def _label(logits: torch.Tensor) -> float:
    return float(logits[0] if len(logits) == 1 else logits[1] - logits[0])


def try_family(subject: Subject, kind: EngineKind, precision: Precision) -> list[Cell]:
    """A cell for each way with long passages."""
    names = (subject.family.name, kind.value, precision.value)
    try:
        engine = subject.load(kind, precision)
    except ConfigurationError as error:
        reason = str(error).replace(subject.family.slug, subject.family.name)
        return [Cell(*names, overflow.value, reason=reason) for overflow in OVERFLOWS]
    return [_compare(subject, engine, Cell(*names, overflow.value), overflow) for overflow in OVERFLOWS]


def _compare(subject: Subject, engine: Engine, cell: Cell, overflow: Overflow) -> Cell:
    read = engine.encode_chunks(subject.pairs, LengthPolicy(overflow, overlap_tokens=4))
    encoded = [chunk for chunks in read for chunk in chunks]
    logits = engine.forward(encoded)
    expected = subject.expected_of_tokens(encoded)
    if not subject.family.answers:
        texts = subject.expected_of_texts(engine.info.max_tokens)
        firsts = np.cumsum([0, *map(len, read)])[:-1]
        whole = [place for place, chunks in enumerate(read) if len(chunks) == 1]
        expected[firsts[whole]] = texts[whole]
    return Cell(
        cell.family,
        cell.engine,
        cell.precision,
        cell.overflow,
        pairs=len(encoded),
        max_difference=float(np.abs(logits - expected).max()),
        correlation=float(np.corrcoef(logits, expected)[0, 1]),
        spread=float(np.std(expected)),
    )
