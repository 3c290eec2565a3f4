"""Distil the starter itself, two encoders, BM25 and the labels into the starter on one GPU, from what pack.py packed.

Rows are packed without padding, nothing waits for the device inside a step, and the learning rate follows the clock.
Needs torch, numpy and tokenizers alone. Writes the last and the averaged weights, and how shares of them rank.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from distilling.bert import logits_of
from distilling.candidates import Work
from distilling.clock import BEGIN, LOG, say
from distilling.drawing import LIST_SIZE, Draw
from distilling.exam import Exam
from distilling.kernels import Kernels
from distilling.student import Student
from distilling.teacher import Teacher, settle_teacher, target_of
from distilling.texts import Texts
from torch import Tensor
from torch.nn import functional

LABEL_SHARE = 0.5
REGRESSION_WEIGHT = 0.3
POINTWISE_WEIGHT = 0.1


def loss_of(logits: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """Of each list: the order at the top of it, the distances all the way down it, and where zero lies."""
    first = torch.zeros_like(teacher)
    first[:, 0] = 1
    wanted = torch.where((first > 0) & (label[:, None] >= 1), teacher.amax(-1, keepdim=True), teacher)
    share = (LABEL_SHARE * label)[:, None]
    target = (1 - share) * torch.softmax(wanted, -1) + share * first
    listwise = -(target * torch.log_softmax(logits, -1)).sum(-1)
    regression = ((logits - logits.mean(-1, keepdim=True)) - (wanted - wanted.mean(-1, keepdim=True))).square().mean(-1)
    pointwise = functional.binary_cross_entropy_with_logits(logits, first, reduction="none")
    weights = torch.where(first > 0, logits.shape[1] - 1.0, 1.0) * label[:, None]
    return (
        listwise
        + REGRESSION_WEIGHT * regression
        + POINTWISE_WEIGHT * (weights * pointwise).sum(-1) / (2 * logits.shape[1] - 2)
    )


def train(student: Student, work: Work, teacher: Teacher, args: argparse.Namespace) -> None:
    kernels = student.kernels
    draw = Draw(work, teacher, args.seed)
    begin = told = time.monotonic()
    seconds = max(5.0, min(args.seconds, args.deadline - (begin - BEGIN)))
    say(f"training for {seconds:.0f} s")
    pairs, tokens, steps, micro, saved, losses = 0, 0, 0, 0, False, []
    parameters = [value for group in student.optimizer.param_groups for value in group["params"]]
    progress = 0.0
    while progress < 1:
        lists = draw.take(args.draw, 0.5 if progress < 0.3 else 0.8)
        flat, units = lists.queries.repeat_interleave(LIST_SIZE), lists.units.flatten()
        for row in work.pairs.rows(flat, units, args.whole_tokens, LIST_SIZE):
            mine = slice(row.begin // LIST_SIZE, row.end // LIST_SIZE)
            with torch.no_grad():
                start = logits_of(kernels, teacher.start, row).view(-1, LIST_SIZE).float()
                target = target_of(lists.score[mine], start, lists.share[mine], teacher.scale)
            logits = logits_of(kernels, student.training(), row).view(-1, LIST_SIZE)
            loss = loss_of(logits, target, lists.label[mine]).mean()
            (loss / args.micro).backward()
            losses.append(loss.detach())
            pairs, tokens, micro = pairs + row.end - row.begin, tokens + kernels.tokens, micro + 1
            if micro % args.micro:
                continue
            norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in student.optimizer.param_groups:
                group["lr"] = args.rate * min(progress / 0.04 + 0.01, max(0.0, 1 - progress)) * group["scale"]
            student.optimizer.step()
            student.optimizer.zero_grad(set_to_none=True)
            steps += 1
            student.average(steps)
            now = time.monotonic()
            if now - told > 10 or steps == 1:
                told = now
                mean = float(torch.stack(losses).mean())
                losses.clear()
                spent = time.monotonic() - begin
                speed = f"{pairs / spent:,.0f} pairs/s, {tokens / spent:,.0f} tokens/s"
                say(f"step {steps}, progress {progress:.2f}, loss {mean:.4f}, norm {float(norm):.2f}, {speed}")
                if not np.isfinite(mean):
                    say("the loss is no number: stopped")
                    return
            progress = (time.monotonic() - begin) / seconds
            if progress > 0.6 and not saved:
                saved = True
                student.save(student.free, args.output, "final")
            if progress >= 1:
                break
    kernels.wait()
    say(f"trained {steps} steps, {pairs:,} pairs, {tokens:,} tokens")


def compare(
    student: Student, exam: Exam, before: dict[str, Tensor], read: dict[str, np.ndarray], args: argparse.Namespace
) -> None:
    """What every share of the way from the start ranks like. The choice is by held-out training questions alone."""
    results, rows = {}, []
    slowest = 0.0
    plan = [
        ("last", 0.5),
        ("last", 1.0),
        ("last", 0.75),
        ("averaged", 1.0),
        ("last", 0.25),
        ("averaged", 0.5),
        ("averaged", 0.75),
        ("averaged", 0.25),
    ]
    for source, share in plan:
        begun = time.monotonic()
        if begun - BEGIN + 1.3 * slowest > args.stop:
            say("no time left for", source, share)
            continue
        weights = student.reading({"last": student.free, "averaged": student.averaged}[source], share)
        logits = exam.logits(weights)
        gains = exam.gains(logits)
        change = {
            name: (
                float((gains[name] - before[name]).mean()),
                float((gains[name] - before[name]).std() / len(gains[name]) ** 0.5),
            )
            for name in gains
        }
        mean = float(np.mean([float(value.mean()) for value in gains.values()]))
        tests = exam.tests(weights)
        results[f"{source} {share}"] = {
            "held out": {name: float(value.mean()) for name, value in gains.items()},
            "tests": {name: float(value.mean()) for name, value in tests.items()},
            "tests less start": {name: float((value - read[name]).mean()) for name, value in tests.items()},
            "tests less start, error": {
                name: float((value - read[name]).std() / len(value) ** 0.5) for name, value in tests.items()
            },
            "cross-entropy": exam.entropy(logits),
        }
        rows.append((mean, min(low for low, _ in change.values()), source, share))
        say(
            f"{source} {share}: held out mean {mean:.4f}, cross-entropy {exam.entropy(logits):.4f};",
            ", ".join(f"{n} {d:+.4f}±{e:.4f}" for n, (d, e) in change.items()),
        )
        say(
            f"{source} {share}: TEST",
            ", ".join(f"{n} {v.mean():.4f} ({(v - read[n]).mean():+.4f})" for n, v in tests.items()),
        )
        slowest = max(slowest, time.monotonic() - begun)
        (args.output / "results.json").write_text(json.dumps(results, indent=1))
    if rows:
        safe = [row for row in rows if row[1] > -0.004]
        say("chosen by held-out questions:", max(safe or rows), "" if safe else "(but a kind fell)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path(__file__).parents[1] / "tokenizer.json")
    parser.add_argument("--seconds", type=float, default=200, help="of training")
    parser.add_argument("--deadline", type=float, default=242, help="seconds after the start at which training ends")
    parser.add_argument(
        "--stop", type=float, default=290, help="seconds after the start at which the last comparison ends"
    )
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--tokens", type=int, default=65536, help="of a packed row")
    parser.add_argument("--micro", type=int, default=4, help="rows a step")
    parser.add_argument("--draw", type=int, default=4096, help="lists drawn at once")
    parser.add_argument("--whole-tokens", type=int, default=384)
    parser.add_argument("--examine", type=int, default=400, help="held-out lists a kind")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tiny", type=int, default=0, help="documents of a rehearsal")
    parser.add_argument("--seed", type=int, default=23)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    LOG.append(args.output / "log.txt")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    say(torch.__version__, device, torch.cuda.get_device_name() if device == "cuda" else "", vars(args))
    kernels = Kernels(device, args.tokens)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(Texts, args)
        kernels.settle(compiled=not args.no_compile)
        texts = reading.result()
    work = Work(texts, kernels, device)
    exam = Exam(work, kernels, args.examine)
    student = Student(work, args, kernels)
    start = student.reading(student.free, 0.0)
    logits = exam.logits(start)
    before = exam.gains(logits)
    say(
        "start, held out:",
        ", ".join(f"{name} {gains.mean():.4f} of {len(gains)}" for name, gains in before.items()),
        f"cross-entropy {exam.entropy(logits):.4f}",
    )
    read = exam.tests(start)
    say("start, TEST:", ", ".join(f"{name} {value.mean():.4f} of {len(value)}" for name, value in read.items()))
    teacher = settle_teacher(exam, start, logits)
    train(student, work, teacher, args)
    student.save(student.free, args.output, "final")
    student.save(student.averaged, args.output, "averaged")
    compare(student, exam, before, read, args)
    say("peak memory", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device == "cuda" else "none")


if __name__ == "__main__":
    main()
