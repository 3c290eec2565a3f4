"""What was measured, short enough for the end of a log."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.results_files import markdown_table

HTTP = ["over HTTP", "pairs/s", "p50 ms", "p99 ms", "queue", "tokenize", "inference", "cores", "failures"]
# How many clients fill the device with each shape.
FULL_LOADS = (("32 x 50", "starter"), ("16 x 50", "bert-large"), ("32 x 50", "xlmr-560m"), ("8 x 50", "qwen3-0.6b"))
ALONE = ["engine alone", "text to logits /s", "forward /s", "10 pairs ms", "forward ms", "way"]


def as_markdown(results: dict[str, Any]) -> str:
    """Tables of what is there; steps that failed or were skipped by name."""
    steps = results["steps"]
    http = [_http_row(name, found) for name, found in steps.items() if "pairs_per_s" in found]
    alone = [_alone_row(name, found) for name, found in steps.get("engine alone", {}).items()]
    parts = [
        markdown_table(HTTP, http),
        markdown_table(ALONE, alone),
        "\n".join(f"{name}: {value}" for name, value in ratios(steps).items()),
        f"failed: {', '.join(results['failed']) or 'nothing'}; skipped: {', '.join(results['skipped']) or 'nothing'}",
    ]
    return "\n\n".join(part for part in parts if part)


def ratios(steps: dict[str, Any]) -> dict[str, str]:
    """The service against its parts, where both were measured."""
    alone = steps.get("engine alone", {})
    found: dict[str, str] = {}
    for load, shape in FULL_LOADS:
        for trial in [name for name in steps if name.startswith((f"{shape}:", f"{shape},")) and name.endswith(load)]:
            if speed := alone.get(shape, {}).get("text_to_logits_pairs_per_s"):
                found[f"{trial} / engine alone"] = f"{steps[trial]['pairs_per_s'] / speed:.2f}"
    for variant, one in alone.items():
        if tokenising := one.get("tokenising"):
            found |= _tokenising_ratios(variant, tokenising, steps)
    return found


def _tokenising_ratios(variant: str, alone: dict[str, float], steps: dict[str, Any]) -> dict[str, str]:
    """Of a request of 50 documents, in one process and in the servers of the same settings."""
    found = {
        f"{variant}: a request tokenised alone / beside others, in one process": (
            f"{alone['alone_ms']:.2f} / {alone['beside_others_ms']:.2f} ms,"
            f" {alone['alone_requests_per_s']:.0f} / {alone['beside_others_requests_per_s']:.0f} a second"
        )
    }
    for trial in [name for name in steps if name.startswith(f"{variant}:") and name.endswith("x 50")]:
        busy = steps[trial]["timings_ms_p50"]["tokenize"]
        found[f"{trial}: tokenizer alone / in the service"] = f"{alone['alone_ms'] / busy:.2f}"
    return found


def _http_row(name: str, found: dict[str, Any]) -> list[str]:
    latency, timings = found["latency_ms"], found["timings_ms_p50"]
    return [
        name,
        f"{found['pairs_per_s']:.0f}",
        f"{latency['p50']:.1f}",
        f"{latency['p99']:.1f}",
        *(f"{timings[part]:.1f}" for part in ("queue", "tokenize", "inference")),
        f"{found['server_cores']:.1f}",
        str(found["failures"] or ""),
    ]


def _alone_row(name: str, found: dict[str, Any]) -> list[str]:
    if "failed" in found:
        return [name, found["failed"][:60], *[""] * 4]
    return [
        name,
        f"{found['text_to_logits_pairs_per_s']:.0f}",
        f"{found['forward_pairs_per_s']:.0f}",
        f"{found['ten_pairs_ms']:.2f}",
        f"{found['ten_pairs_forward_ms']:.2f}",
        "packed" if found["engine"]["padding_free"] else "padded",
    ]
