"""The peak, what the engine reaches of it, and where its time goes, to read."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.results_files import machine_sentence, markdown_table


def as_markdown(result: dict[str, Any]) -> str:
    """Three tables, and what they were measured on."""
    machine, engine = result["machine"], result["engine"]
    sections = [
        "# Roofline",
        f"{engine['model']}, {engine['precision']} on {engine['device']}, engine {engine['engine']},"
        f" {result['threads']} threads, {engine['streams']} passes at a time; "
        + ", ".join(f"{name} {value}" for name, value in result["properties"].items()),
        "The product of two matrices through OpenVINO, by its own counters, the best of several rounds, GFLOP/s:",
        markdown_table(["", "one thread", "all threads", "kernel"], [_peak_row(peak) for peak in result["peaks"]]),
        _reached_sentence(result["reached"]),
        markdown_table(["peak of", "GFLOP/s", "the engine reaches", "its products reach"], _share_rows(result)),
        _time_sentence(result["time"]),
        markdown_table(
            ["", "of the time"], [[kind, f"{share:.1%}"] for kind, share in result["time"]["shares"].items()]
        ),
        machine_sentence(machine),
        ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
    ]
    return "\n\n".join(sections)


def best_peaks(result: dict[str, Any]) -> dict[str, float]:
    """FLOP/s in each arithmetic with all threads, of the product that comes out best."""
    best: dict[str, float] = {}
    for peak in result["peaks"]:
        flops = peak["flops_per_s"]["all_threads"]
        best[peak["arithmetic"]] = max(flops, best.get(peak["arithmetic"], 0.0))
    return best


def _peak_row(peak: dict[str, Any]) -> list[str]:
    product, flops = peak["product"], peak["flops_per_s"]
    name = f"{product['rows']} × {product['inner']} × {product['columns']}, {peak['arithmetic']}"
    return [name, *(f"{flops[threads] / 1e9:.0f}" for threads in ("one_thread", "all_threads")), peak["kernel"]]


def _reached_sentence(reached: dict[str, Any]) -> str:
    return (
        f"The engine alone, {reached['pairs']} pairs of natural text, {reached['padding']:.1%} padding:"
        f" {reached['tokens_per_s']:.0f} tokens/s ({reached['pairs_per_s']:.1f} pairs/s) of"
        f" {reached['flops_per_token'] / 1e6:.1f} MFLOP each are {reached['flops_per_s'] / 1e9:.0f} GFLOP/s."
    )


def _share_rows(result: dict[str, Any]) -> list[list[str]]:
    engine, products = result["reached"]["flops_per_s"], result["time"]["product_flops_per_s"]
    return [
        [arithmetic, f"{peak / 1e9:.0f}", f"{engine / peak:.0%}", f"{products / peak:.0%}"]
        for arithmetic, peak in best_peaks(result).items()
    ]


def _time_sentence(time: dict[str, Any]) -> str:
    return (
        f"Time by kind of operation, by OpenVINO's counters, which see {time['counted_of_passes']:.0%} of the forward"
        f" passes; the products with the weights run at {time['product_flops_per_s'] / 1e9:.0f} GFLOP/s:"
    )
