"""What was measured, short enough for the end of a log."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.results_files import markdown_table

HTTP = ["over HTTP", "pairs/s", "p50 ms", "p99 ms", "queue", "tokenize", "inference", "cores", "failures"]
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
    for load, shape in (("32 x 50", "starter"), ("16 x 50", "bert-large"), ("32 x 50", "xlmr-560m")):
        for trial in [name for name in steps if name.startswith(shape) and name.endswith(load)]:
            if speed := alone.get(shape, {}).get("text_to_logits_pairs_per_s"):
                found[f"{trial} / engine alone"] = f"{steps[trial]['pairs_per_s'] / speed:.2f}"
    tokenising = alone.get("starter", {}).get("tokenising")
    if tokenising:
        for trial in [name for name in steps if name.startswith("starter") and name.endswith("x 50")]:
            busy = steps[trial]["timings_ms_p50"]["tokenize"]
            found[f"{trial}: tokenizer alone / in the service"] = f"{tokenising['alone_ms'] / busy:.2f}"
        found["a request tokenised alone / beside others, in one process"] = (
            f"{tokenising['alone_ms']:.2f} / {tokenising['beside_others_ms']:.2f} ms,"
            f" {tokenising['alone_requests_per_s']:.0f} / {tokenising['beside_others_requests_per_s']:.0f} a second"
        )
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
