"""Small cross-encoders with random weights and real tokenizers, one per family that bentorank promises to serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DebertaV2TokenizerFast,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaTokenizerFast,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CORPUS = [
    "The lighthouse keeper climbs the stairs every evening to light the lamp.",
    "Bread dough rises faster in a warm kitchen than in a cold one.",
    "How long does it take to learn the violin as an adult?",
    "A river delta forms where sediment settles in slow water.",
    "Die Brücke über den Fluss wurde im Jahr 1894 gebaut.",
    "Le marché ouvre à sept heures et ferme à midi.",
    "数据库 索引 加快 查询 速度",
    "Interest rates rose by 0.25 percent in March, the bank said.",
    "def add(a, b): return a + b",
]
"""What the tokenizers are trained on; nine sentences are enough for words, pieces and bytes."""

WINDOW = 96
"""Tokens that every model here reads, special tokens included."""

_BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "num_labels": 1,
    # Wide enough that scores of different pairs differ by far more than the tolerances.
    "initializer_range": 0.2,
}


# What families call these sizes; positions leave room for those that count from behind the padding id.
_SIZES: dict[str, int | float] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "d_ff", "d_inner", "n_inner", "ffn_dim"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64),
    **dict.fromkeys(("head_dim", "d_kv", "d_head"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx"), WINDOW + 8),
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
_SPECIAL_SIZES: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16, "num_hidden_groups": 1},
    "big_bird": {"attention_type": "original_full"},
    "convbert": {"conv_kernel_size": 3},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "funnel": {"block_sizes": [1, 1]},
    "longformer": {"attention_window": [16, 16]},
    "mobilebert": {"intra_bottleneck_size": 32, "true_hidden_size": 32},
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 32},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "squeezebert": {f"{part}_groups": 1 for part in ("q", "k", "v", "post_attention", "intermediate", "output")},
}
# What follows from others, and may not be set.
_FIXED_SIZES = {"funnel": ("num_hidden_layers",), "xlnet": ("max_position_embeddings",)}


def build_bert(folder: Path, **config: Any) -> None:
    """WordPiece, lower-casing, two segments."""
    fast = _word_pieces()
    settings = _SMALL | {"vocab_size": len(fast), "max_position_embeddings": WINDOW} | config
    _save(folder, BertForSequenceClassification(BertConfig(**settings)), fast)


def build_distilbert(folder: Path, **config: Any) -> None:
    """BERT's own tokenizer, with the segments that this model does not take."""
    fast = _word_pieces()
    settings = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "num_labels": 1, "vocab_size": len(fast)}
    settings |= {"max_position_embeddings": WINDOW} | config
    _save(folder, DistilBertForSequenceClassification(DistilBertConfig(**settings)), fast)


def _word_pieces() -> BertTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=_BERT_SPECIALS))
    return BertTokenizerFast(vocab=tokenizer.get_vocab(), model_max_length=WINDOW)


def build_xlm_roberta(folder: Path, **config: Any) -> None:
    """Unigram, no segments, position ids counted from the padding id; the tokenizer states no limit."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=_ROBERTA_SPECIALS, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    fast = XLMRobertaTokenizerFast(vocab=_unigram_vocab(tokenizer))
    settings = _SMALL | {
        "vocab_size": len(fast),
        "max_position_embeddings": WINDOW + 2,
        "pad_token_id": fast.pad_token_id,
        "type_vocab_size": 1,
    }
    _save(folder, XLMRobertaForSequenceClassification(XLMRobertaConfig(**settings | config)), fast)


def build_modernbert(folder: Path, **config: Any) -> None:
    """Byte-level BPE, rotary positions, local and global attention layers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=_BERT_SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=WINDOW,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name.strip('[]').lower()}_token": name for name in _BERT_SPECIALS},
    )
    settings = _SMALL | {
        "vocab_size": len(fast),
        "max_position_embeddings": WINDOW,
        "local_attention": 16,
        "initializer_cutoff_factor": 100.0,
        "pad_token_id": fast.pad_token_id,
        "cls_token_id": fast.cls_token_id,
        "sep_token_id": fast.sep_token_id,
        "bos_token_id": fast.cls_token_id,
        "eos_token_id": fast.sep_token_id,
    }
    _save(folder, ModernBertForSequenceClassification(ModernBertConfig(**settings | config)), fast)


def build_deberta_v2(folder: Path, **config: Any) -> None:
    """Unigram, relative positions, segments given by the tokenizer and ignored by the model."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=_BERT_SPECIALS, unk_token="[UNK]")
    tokenizer.train_from_iterator(CORPUS, trainer)
    fast = DebertaV2TokenizerFast(vocab=_unigram_vocab(tokenizer))
    settings = _SMALL | {
        "vocab_size": len(fast),
        "max_position_embeddings": WINDOW,
        "relative_attention": True,
        "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "type_vocab_size": 0,
        "pad_token_id": fast.pad_token_id,
    }
    _save(folder, DebertaV2ForSequenceClassification(DebertaV2Config(**settings | config)), fast)


def build_any(folder: Path, model_type: str, *, of_bytes: bool = False, **config: Any) -> None:
    """Any family of transformers, by the names that families have for their sizes; with word pieces or bytes."""
    kind = CONFIG_MAPPING[model_type]
    fast = _byte_pairs() if of_bytes else _word_pieces()
    default = kind()
    fixed = _FIXED_SIZES.get(model_type, ())
    sizes = {name: size for name, size in _SIZES.items() if hasattr(default, name) and name not in fixed}
    ids = {"pad_token_id": fast.pad_token_id, "pad_index": fast.pad_token_id}
    ids |= dict.fromkeys(("bos_token_id", "cls_token_id"), fast.cls_token_id)
    ids |= dict.fromkeys(("eos_token_id", "sep_token_id"), fast.sep_token_id)
    known_ids = {name: token for name, token in ids.items() if hasattr(default, name)}
    settings = sizes | known_ids | _SPECIAL_SIZES.get(model_type, {}) | config
    model = AutoModelForSequenceClassification.from_config(kind(num_labels=1, vocab_size=len(fast), **settings))
    _save(folder, model, fast)


def _byte_pairs() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=_ROBERTA_SPECIALS, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=WINDOW,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    )


FAMILIES: dict[str, Callable[..., None]] = {
    "bert": build_bert,
    "xlm-roberta": build_xlm_roberta,
    "modernbert": build_modernbert,
    "deberta-v2": build_deberta_v2,
    "distilbert": build_distilbert,
}


def reference(folder: Path) -> CrossEncoder:
    """The same model as sentence-transformers loads it."""
    return CrossEncoder(str(folder), device="cpu", local_files_only=True)


def _unigram_vocab(tokenizer: Tokenizer) -> list[tuple[str, float]]:
    import json

    return [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def _save(folder: Path, model: torch.nn.Module, tokenizer: Any) -> None:
    _seed_weights(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _seed_weights(model: torch.nn.Module) -> None:
    """The same weights on every run, heads that start at zero too; a row of padding is zero, as training leaves it."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.2, generator=generator)
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()


_CHAT_SPECIALS = ["<pad>", "<|im_start|>", "<|im_end|>", "<bos>", "<think>", "</think>"]
_ANSWERS = ("yes", "no", "Yes", "1", "0")

QWEN3_TEMPLATE = (
    '{%- set wanted = messages | selectattr("role", "eq", "system") | map(attribute="content") | first'
    ' | default("Find passages that answer.") -%}'
    "<|im_start|>system\nJudge whether the Document meets the requirements.<|im_end|>\n<|im_start|>user\n"
    "<Instruct>: {{ wanted }}\n"
    '<Query>: {{ messages | selectattr("role", "eq", "query") | map(attribute="content") | first }}\n'
    '<Document>: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") | first }}<|im_end|>\n'
    "<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
"""As Qwen3-Reranker has it, with its own words around the texts."""

BARE_TEMPLATE = (
    '<|im_start|>{{ messages | selectattr("role", "eq", "query") | map(attribute="content") | first | trim }}\n'
    'document: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") | first | trim }}\n'
    "You are a search relevance expert.\nRelevance:"
)
"""Trims, takes no instruction, and ends in text: full stops merge with the newline after them."""


def build_causal(
    folder: Path, model_type: str = "qwen3", *, template: str | None = QWEN3_TEMPLATE, **config: Any
) -> None:
    """A causal language model with byte pairs, as Qwen has them, and a chat template; nothing says how it reranks."""
    fast = _chat_tokenizer(template)
    model = AutoModelForCausalLM.from_config(_config(model_type, fast, **config))
    _save(folder, model, fast)


def build_chat_classifier(folder: Path, *, template: str = QWEN3_TEMPLATE, num_labels: int = 1) -> None:
    """A Qwen3 with a head on the last token, and a chat template."""
    fast = _chat_tokenizer(template)
    model = AutoModelForSequenceClassification.from_config(_config("qwen3", fast, num_labels=num_labels))
    _save(folder, model, fast)


def add_logit_score(folder: Path, true: str, false: str | None) -> None:
    """Make it a causal reranker as sentence-transformers saves one."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = Transformer(str(folder), transformer_task="text-generation")
    head = LogitScore(tokenizer.token_to_id(true), None if false is None else tokenizer.token_to_id(false))
    CrossEncoder(modules=[model, head]).save_pretrained(str(folder), create_model_card=False)


def _config(model_type: str, tokenizer: Any, **config: Any) -> Any:
    kind = CONFIG_MAPPING[model_type]
    default = kind()
    sizes = {name: size for name, size in _SIZES.items() if hasattr(default, name)}
    ids = dict.fromkeys(("bos_token_id", "eos_token_id"), tokenizer.eos_token_id) | {
        "pad_token_id": tokenizer.pad_token_id
    }
    settings = sizes | ids | {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": CHAT_WINDOW} | config
    return kind(**settings)


CHAT_WINDOW = 320
"""Of the models with prompts, which take 150 tokens of these small vocabularies."""


def _chat_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    words = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=_CHAT_SPECIALS, initial_alphabet=alphabet)
    ends = [".\n", "?\n", ">:\n", ">: ", "\n\n", *_ANSWERS]
    tokenizer.train_from_iterator([*CORPUS, *(end for end in ends for _ in range(20))], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=CHAT_WINDOW,
        model_input_names=["input_ids", "attention_mask"],
        chat_template=template,
        pad_token="<pad>",
        eos_token="<|im_end|>",
    )


def set_window(folder: Path, tokens: int) -> None:
    """Let the tokenizer state another limit."""
    import json

    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": tokens}))
