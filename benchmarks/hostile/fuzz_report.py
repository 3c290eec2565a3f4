"""What a run of the fuzzer counts, and how it is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.harness.results_files import machine_sentence, markdown_table
from benchmarks.hostile.mutations import Ending

if TYPE_CHECKING:
    from benchmarks.hostile.mutations import Case
    from benchmarks.hostile.raw_client import Outcome

FIRST_SERVER_ERROR = 500
SHOWN_BYTES = 400
CLASSES = ("2xx", "3xx", "4xx", "5xx")


@dataclass(slots=True)
class Tally:
    """Counts cases by kind, statuses, and what the server should not have answered, with the first case of each."""

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unreachable: Counter[str] = field(default_factory=Counter)
    server_errors: dict[tuple[int, str], list[Case]] = field(default_factory=dict)

    def add(self, case: Case, outcome: Outcome) -> None:
        """One more."""
        self.cases[case.kind] += 1
        self.statuses.update(outcome.statuses)
        for status in outcome.statuses:
            self.outcomes[case.kind][f"{status // 100}xx"] += 1
            if status >= FIRST_SERVER_ERROR:
                self.server_errors.setdefault((status, case.kind), []).append(case)
        if not outcome.statuses and case.ending in {Ending.READ, Ending.HALF_CLOSE}:
            self.outcomes[case.kind]["closed unanswered" if outcome.closed else "silence"] += 1

    def as_json(self) -> dict[str, Any]:
        """Everything, of the server errors the bytes of the first of each kind."""
        return {
            "connections": self.cases.total(),
            "unreachable": dict(self.unreachable),
            "answers": self.statuses.total(),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "kinds": {kind: {"cases": self.cases[kind], **self.outcomes[kind]} for kind in sorted(self.cases)},
            "server_errors": [
                {
                    "status": status,
                    "kind": kind,
                    "count": len(cases),
                    "case": cases[0].number,
                    "sent": repr(cases[0].data[:SHOWN_BYTES]),
                }
                for (status, kind), cases in sorted(self.server_errors.items(), key=lambda item: item[0])
            ],
        }


def as_markdown(result: dict[str, Any]) -> str:
    """The figures, a row for each kind of request, and a line for each kind of server error."""
    setup = result["setup"]
    title = (
        f"{setup['minutes']:g} minutes, {setup['clients']} connections at a time, seed {setup['seed']}, fake engine."
        " `silence`: nothing came for as long as the client waited, as is right for half a request."
    )
    parts = ["# Fuzzed HTTP", title, _figures(result), _kinds(result["sent"]["kinds"])]
    parts += [_server_errors(result["sent"]["server_errors"]), machine_sentence(result["machine"])]
    return "\n\n".join(parts)


def _figures(result: dict[str, Any]) -> str:
    sent, probe, log, memory = (result[name] for name in ("sent", "livez", "log", "rss_mib"))
    by_status = ", ".join(f"{count} × {status}" for status, count in sent["statuses"].items())
    failures = ", ".join(f"{count} × {name}" for name, count in probe["failures"].items())
    exceptions = ", ".join(f"{count} × {name}" for name, count in log["exceptions"].items())
    left = ", ".join(f"{count} × {kind}" for kind, count in result["connections"]["held_still_open"].items())
    rows = [
        ["connections made", str(sent["connections"])],
        ["connections refused or reset at once", str(sum(sent["unreachable"].values()))],
        ["answers", f"{sent['answers']}: {by_status}"],
        ["crashes (workers replaced)", str(probe["workers_replaced"])],
        ["`/livez` asked, failed", f"{probe['probes']}, {failures or 0}"],
        ["`/livez` p50, slowest", f"{probe['p50_ms']:.1f} ms, {probe['slowest_ms']:.0f} ms"],
        ["log", f"{log['lines']} lines, {log['bytes'] / 1e3:.1f} kB"],
        ["tracebacks in it", f"{log['tracebacks']}{f' ({exceptions})' if exceptions else ''}"],
        ["RSS before, after", f"{memory['before']:.0f} MiB, {memory['after']:.0f} MiB"],
        ["open after all clients closed", str(result["connections"]["open_after"])],
        [
            f"held open by clients, not ended by the server {result['setup']['settle_s']:g} s later",
            f"{left or 0} of {result['connections']['held']}",
        ],
    ]
    return markdown_table(["", "figure"], rows)


def _kinds(kinds: dict[str, dict[str, int]]) -> str:
    columns = ("cases", *CLASSES, "closed unanswered", "silence")
    rows = [[kind, *(str(counts.get(column, 0)) for column in columns)] for kind, counts in kinds.items()]
    return markdown_table(["kind", *columns], rows)


def _server_errors(errors: list[dict[str, Any]]) -> str:
    if not errors:
        return "No server error."
    return "\n".join(
        f"- {each['status']} after {each['kind']}, {each['count']} times, first case {each['case']}" for each in errors
    )
