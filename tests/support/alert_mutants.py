"""Alerts spoilt on purpose, without a threshold, a guard or their time to wait: promtool's cases have to notice."""

from __future__ import annotations

import copy
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from promql_parser import BinaryExpr, parse, transform

from support.prometheus_server import FOLDER, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from promql_parser import Expr

# Without them and what stands to their right, the alert fires on more.
SPOILT = {">", "<", ">=", "<=", "==", "and", "or", "unless"}

Rule = dict[str, Any]
ALL_RULES: list[Rule] = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
CASES = {file.name: yaml.safe_load(file.read_text()) for file in sorted((FOLDER / "tests").glob("*.yml"))}


class Mutant(NamedTuple):
    """All rules of one alert, and what is missing in one of them; nothing in the first."""

    alert: str
    missing: str
    rules: list[Rule]


def mutants(alert: str) -> Iterator[Mutant]:
    """The alert as it is, then spoilt in each way."""
    rules = [rule for rule in ALL_RULES if rule.get("alert") == alert]
    yield Mutant(alert, "", rules)
    for rule in rules:
        changes = [(missing, {"expr": expression}) for missing, expression in _spoilt(rule["expr"])]
        if "for" in rule:
            changes.append((f"for: {rule['for']}", {"for": "0s"}))
        for missing, change in changes:
            yield Mutant(alert, missing, [{**each, **change} if each is rule else each for each in rules])


def _spoilt(expression: str) -> Iterator[tuple[str, str]]:
    number, missing = 0, ""
    seen = 0

    def drop(node: Expr) -> Expr | None:
        nonlocal seen, missing
        if not isinstance(node, BinaryExpr) or str(node.op) not in SPOILT:
            return None
        seen += 1
        if seen != number:
            return None
        missing = f"{node.op} {' '.join(node.rhs.prettify().split())}"
        return node.lhs

    while True:
        number, missing, seen = number + 1, "", 0
        spoilt = transform(parse(expression), drop)
        if not missing:
            return
        yield missing, spoilt.prettify()


def cases_pass(mutant: Mutant, folder: Path) -> bool:
    """Whether promtool finds that its rules do what the cases of the alert say."""
    folder.mkdir()
    rules = [*recordings_for(mutant.rules), *mutant.rules]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "mutant", "rules": rules}]}))
    files = []
    for name, case in CASES.items():
        tests = [_only(mutant.alert, test) for test in case["tests"]]
        wanted = {**case, "rule_files": ["rules.yml"], "tests": [test for test in tests if test["alert_rule_test"]]}
        if wanted["tests"]:
            (folder / name).write_text(yaml.safe_dump(wanted))
            files.append(folder / name)
    done = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, timeout=120, check=False)
    return done.returncode == 0


def _only(alert: str, test: Rule) -> Rule:
    only = copy.copy(test)
    only.pop("promql_expr_test", None)
    only["alert_rule_test"] = [check for check in test.get("alert_rule_test", ()) if check["alertname"] == alert]
    return only


def recordings_for(rules: list[Rule]) -> list[Rule]:
    """What the rules rest on, in the order of the file."""
    needed: list[Rule] = []
    looked_at = [rule["expr"] for rule in rules]
    while looked_at:
        expression = looked_at.pop()
        found = [rule for rule in ALL_RULES if "record" in rule and rule["record"] in expression and rule not in needed]
        needed += found
        looked_at += [rule["expr"] for rule in found]
    return [rule for rule in ALL_RULES if rule in needed]
