"""What a language model reached on a CPU, to read."""

from __future__ import annotations

from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.harness.results_files import machine_sentence, markdown_table

_HEADER: Final = ["", "tokens/s", "pairs/s", "tokens per second of CPU", "× sharing nothing", "correlation with f32"]
_EXACT: Final = "openvino f32"
_NOT_SHARING: Final = ", nothing shared"


def as_markdown(result: dict[str, Any]) -> str:
    """The table, and what it was measured on."""
    machine, setup = result["machine"], result["setup"]
    shape = setup["shape"]
    setting = (
        f"Random weights, {shape['num_hidden_layers']} layers of width {shape['hidden_size']}, Qwen3-Reranker's prompt"
        f" around real texts; {setup['requests']} requests of {setup['documents']} documents a round, one after the"
        f" other, {setup['rounds']} rounds in turn; medians, ranges in brackets. Tokens are those of whole prompts,"
        " shared or not. Other work on the machine shows in tokens/s, less in those per second of CPU."
    )
    return "\n\n".join(
        (
            "# A language model on a CPU",
            setting,
            *(
                f"## {lengths.capitalize()}\n\n{_sample(rounds)}\n\n"
                + markdown_table(_HEADER, [_row(name, rounds) for name in result["engines"]])
                for lengths, rounds in result["measured"].items()
            ),
            machine_sentence(machine),
            ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        )
    )


def _sample(rounds: list[dict[str, Any]]) -> str:
    runs = [next(iter(measured.values())) for measured in rounds]
    tokens, pairs = (sum(run[counted] for run in runs) for counted in ("tokens", "pairs"))
    return f"{pairs} prompts of {tokens / pairs:.0f} tokens."


def _row(name: str, rounds: list[dict[str, Any]]) -> list[str]:
    runs = [measured[name] for measured in rounds]
    speeds = [run["tokens"] / run["seconds"] for run in runs]
    alone = f"{name}{_NOT_SHARING}"
    gains = [measured[alone]["seconds"] / measured[name]["seconds"] for measured in rounds if alone in measured]
    return [
        name,
        f"{median(speeds):.0f} ({min(speeds):.0f}–{max(speeds):.0f})",
        f"{median(run['pairs'] / run['seconds'] for run in runs):.2f}",
        f"{median(run['tokens'] / run['cpu_seconds'] for run in runs):.0f}",
        f"{median(gains):.2f}" if gains else "",
        "" if name.endswith(_NOT_SHARING) or name == _EXACT else f"{_correlation(name, rounds):.4f}",
    ]


def _correlation(name: str, rounds: list[dict[str, Any]]) -> float:
    scores, exact = ([score for measured in rounds for score in measured[way]["scores"]] for way in (name, _EXACT))
    return float(np.corrcoef(scores, exact)[0, 1])
