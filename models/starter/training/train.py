"""Distil the teacher and the labels into a cross-encoder that starts from the encoder's weights.

The run is budgeted in minutes: the learning rate follows elapsed time, so a slow machine still ends with a full decay.
Run it under torchrun with one process a core: on two cores that are shared with other work, two processes of one thread
that meet once a step are much faster than one process whose threads meet at every operation.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from encoder import encoder_path, half_precision
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from teacher import read_rows
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

TEACHER_TEMPERATURE = 0.1  # its scores over this are logits of the student's usual spread
LABEL_SHARE = 0.5  # of a labelled list's target; the rest is the teacher's
REGRESSION_WEIGHT = 0.3
POINTWISE_WEIGHT = 0.1
MAX_QUERY_TOKENS = 64
REPORT_STEPS = 25


@dataclass(slots=True)
class Lists:
    """Training lists as written by candidates.py, shuffled, and again from the start when they run out."""

    query: np.ndarray
    units: np.ndarray
    teacher: np.ndarray
    label: np.ndarray
    position: int = 0

    @classmethod
    def load(cls, path: Path, seed: int) -> "Lists":
        lists = np.load(path)
        order = np.random.default_rng(seed).permutation(len(lists["query"]))
        return cls(**{name: lists[name][order] for name in lists.files})

    def take(self, count: int) -> np.ndarray:
        rows = np.arange(self.position, self.position + count) % len(self.query)
        self.position += count
        return rows


class PairTokenizer:
    """Token ids of queries and passages, made once; a pair is then a concatenation."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, queries: list[str], passages: list[str]) -> None:
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.queries = self.encode(tokenizer, queries, MAX_QUERY_TOKENS)
        self.passages = self.encode(tokenizer, passages, 512)

    @staticmethod
    def encode(tokenizer: PreTrainedTokenizerBase, texts: list[str], limit: int) -> list[np.ndarray]:
        encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(entry.ids[:limit], np.int64) for entry in encoded]

    def tokens(self, passages: np.ndarray) -> int:
        return sum(len(self.passages[passage]) for passage in passages)

    def pair(self, query: int, passage: int, max_length: int) -> tuple[np.ndarray, int]:
        """Ids, and where the passage starts."""
        head = np.concatenate([[self.cls], self.queries[query], [self.sep]])
        body = self.passages[passage][: max_length - len(head) - 1]
        return np.concatenate([head, body, [self.sep]]), len(head)


def micro_batches(pairs: list[tuple[np.ndarray, int]], tokens: int) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Pairs of like length together, so that little padding is computed, whatever list they belong to."""
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][0]))
    while order:
        longest = len(pairs[order[-1]][0])
        chosen = [order.pop() for _ in range(min(len(order), max(1, tokens // longest)))]
        ids = torch.zeros(len(chosen), longest, dtype=torch.long)
        mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, index in enumerate(chosen):
            tokens_of_pair, start = pairs[index]
            ids[row, : len(tokens_of_pair)] = torch.from_numpy(tokens_of_pair)
            mask[row, : len(tokens_of_pair)] = 1
            types[row, start : len(tokens_of_pair)] = 1
        yield chosen, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def loss_of(logits: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """Three terms: the order at the top of the list, the distances all the way down it, and where zero lies."""
    first = torch.zeros_like(teacher)
    first[:, 0] = 1
    # Where a person named the answer, the teacher does not get to prefer another passage.
    best = teacher.amax(-1, keepdim=True)
    wanted = torch.where((first > 0) & (label[:, None] >= 1), best, teacher) / TEACHER_TEMPERATURE
    share = (LABEL_SHARE * label)[:, None]
    target = (1 - share) * torch.softmax(wanted, -1) + share * first
    listwise = -(target * torch.log_softmax(logits, -1)).sum(-1).mean()
    # A softmax says next to nothing about the passages below the best: the differences of scores do.
    centred = (logits - logits.mean(-1, keepdim=True)) - (wanted - wanted.mean(-1, keepdim=True))
    regression = centred.square().mean()
    pointwise = functional.binary_cross_entropy_with_logits(logits, first, reduction="none")
    # The positive counts as much as all its negatives together.
    weights = torch.where(first > 0, logits.shape[1] - 1.0, 1.0) * label[:, None]
    anchored = (weights * pointwise).sum() / weights.sum().clamp(min=1)
    return listwise + REGRESSION_WEIGHT * regression + POINTWISE_WEIGHT * anchored


def load_student(path: Path) -> nn.Module:
    # Eager attention: on these CPUs the backward pass of the fused one is about three times slower.
    model = AutoModelForSequenceClassification.from_pretrained(
        path,
        num_labels=1,
        attn_implementation="eager",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    # Word and position vectors stay as the encoder has them: what the training text never mentions is kept intact.
    model.bert.embeddings.word_embeddings.weight.requires_grad_(requires_grad=False)
    model.bert.embeddings.position_embeddings.weight.requires_grad_(requires_grad=False)
    compute_first_token_only(model.bert.encoder.layer[-1])
    return model


def compute_first_token_only(layer: nn.Module) -> None:
    """Spare a BERT's last layer every token but the first, which is all that the head reads. The loss is the same."""
    attention = layer.attention.self

    def forward(hidden: Tensor, attention_mask: Tensor | None, *_: object, **__: object) -> Tensor:
        first = hidden[:, :1]
        query, key, value = (
            project(tokens).unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
            for project, tokens in ((attention.query, first), (attention.key, hidden), (attention.value, hidden))
        )
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        context = functional.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2)
        return layer.feed_forward_chunk(layer.attention.output(context, first))

    layer.forward = forward


def make_optimizer(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    head, decayed, plain = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            group = head if name.startswith(("classifier", "bert.pooler")) else decayed if parameter.ndim > 1 else plain
            group.append(parameter)
    groups = [
        {"params": head, "scale": 3.0, "weight_decay": 0.0},
        {"params": decayed, "scale": 1.0, "weight_decay": 0.01},
        {"params": plain, "scale": 1.0, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6, fused=True)


def rate_at(progress: float, warm_up: float = 0.04) -> float:
    return min(progress / warm_up, (1 - progress) / (1 - warm_up), 1.0)


def average(model: nn.Module, progress: float) -> float:
    """Average the gradients over all processes, and the progress too, so that all agree on rate and end."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor([progress])])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = flat[:-1].split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return float(flat[-1])


def save(model: nn.Module, tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)


@dataclass(slots=True)
class Step:
    """What one step of all processes amounted to; `tokens` are this process's."""

    loss: float
    tokens: int
    progress: float


class Trainer:
    """Model, data and schedule of one process; `step` is the whole of the training."""

    def __init__(self, args: argparse.Namespace, tokenizer: PreTrainedTokenizerBase) -> None:
        self.args = args
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        queries, units = read_rows(args.work_dir / "queries.jsonl"), read_rows(args.work_dir / "passages.jsonl")
        texts = [query["text"] for query in queries], [unit["text"] for unit in units]
        self.pairs = PairTokenizer(tokenizer, *texts)
        self.windows, self.whole = (
            Lists.load(args.work_dir / f"lists-{name}.npz", args.seed) for name in ("windows", "whole")
        )
        self.model = load_student(args.initial).train()
        self.optimizer = make_optimizer(self.model, args.rate)
        # The same choices in every process: they must agree on which lists a step is made of.
        self.rng = random.Random(args.seed)
        self.start = time.monotonic()
        self.progress = 0.0

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.start) / 60

    def step(self) -> Step:
        long_step = self.rng.random() < (0.85 if self.progress >= self.args.whole_from else 0.15)
        lists, max_length = (self.whole, self.args.max_length) if long_step else (self.windows, 160)
        # Every process gets long and short lists alike: all wait for the slowest.
        taken = sorted(lists.take(self.args.lists_per_step), key=lambda row: self.pairs.tokens(lists.units[row]))
        rows = taken[self.rank :: self.world]
        pairs = [self.pairs.pair(lists.query[row], unit, max_length) for row in rows for unit in lists.units[row]]
        logits = self.forward(pairs).view(len(rows), -1)
        loss = loss_of(logits, torch.from_numpy(lists.teacher[rows]), torch.from_numpy(lists.label[rows]))
        loss.backward()
        self.progress = average(self.model, self.minutes / self.args.minutes)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.rate * rate_at(min(self.progress, 1.0)) * group["scale"]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return Step(loss.item(), sum(len(ids) for ids, _ in pairs), self.progress)

    def forward(self, pairs: list[tuple[np.ndarray, int]]) -> Tensor:
        """Logits in the order of the pairs."""
        parts, order = [], []
        for chosen, inputs in micro_batches(pairs, self.args.tokens):
            with half_precision():
                parts.append(self.model(**inputs).logits.float().squeeze(-1))
            order += chosen
        return torch.cat(parts)[torch.tensor(order).argsort()]


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=68)
    parser.add_argument("--initial", type=Path, default=encoder_path(), help="weights to start from")
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--lists-per-step", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=640, help="per micro-batch")
    parser.add_argument("--max-length", type=int, default=256, help="tokens of a query with a whole document")
    parser.add_argument("--whole-from", type=float, default=0.5, help="progress at which whole documents take over")
    parser.add_argument("--checkpoint-minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    args = read_arguments()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    dist.init_process_group("gloo")
    args.output.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(encoder_path())
    # The encoder's file cuts at 128 tokens and pads to them; a reranker's caller decides both.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    trainer = Trainer(args, tokenizer)
    steps: list[Step] = []
    checkpoint = args.checkpoint_minutes
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=trainer.rank > 0) as bar, (args.output / "log.jsonl").open("a") as log:
        task = bar.add_task("training", total=1.0)
        while trainer.progress < 1:
            steps.append(trainer.step())
            if trainer.rank > 0 or len(steps) % REPORT_STEPS:
                continue
            loss = float(np.mean([step.loss for step in steps[-REPORT_STEPS:]]))
            rate = sum(step.tokens for step in steps) * trainer.world / trainer.minutes / 60
            report = {"step": len(steps), "minutes": trainer.minutes, "loss": loss, "tokens/s": rate}
            log.write(json.dumps(report) + "\n")
            log.flush()
            bar.update(task, completed=trainer.progress, description=f"loss {loss:.3f}, {rate:,.0f} tokens/s")
            if trainer.minutes > checkpoint:
                checkpoint += args.checkpoint_minutes
                save(trainer.model, tokenizer, args.output / f"at-{trainer.minutes:.0f}-minutes")
    if trainer.rank == 0:
        save(trainer.model, tokenizer, args.output / "final")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
