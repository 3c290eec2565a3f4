"""deploy/prometheus and its runbook, docs/operations.md: each alert works and has its section."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from promql_parser import MatchOp, MatrixSelector, VectorSelector, parse, walk
from support.alert_mutants import cases_pass, mutants, recordings_for
from support.faulty import rerank
from support.metrics import settled_scrape
from support.prometheus_server import CONFIG, FOLDER, RULES, needs, running_prometheus
from support.server import REPOSITORY, wait_until

from bentorank.settings import Settings, environment_name

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
ALL_RULES = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL_RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in ALL_RULES if "record" in rule}
NAMES = sorted({rule["alert"] for rule in ALERTS})
CASES = sorted((FOLDER / "tests").glob("*.yml"))
# What Prometheus knows of itself.
OWN_METRICS = {"up"}
# Only where there is one, as in tests/faults/test_alerts.py.
OF_REDIS = {"rerank_cache_redis_up"}
INSTANCE, PROMETHEUS = "http://127.0.0.1:3000", "http://127.0.0.1:9090"


def blocks(language):
    """The page's code blocks in `language`, indented ones too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def selectors(expression):
    """Every selector of a PromQL expression."""
    found = []

    def visit(node):
        if isinstance(node, MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, VectorSelector):
            found.append(node)

    walk(parse(expression), visit)
    return found


def run(*command, cwd=REPOSITORY, **options):
    """What a command prints; it must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def runbook_shell(command, cwd=REPOSITORY):
    """Run a block of the page."""
    return run("bash", "-euo", "pipefail", "-c", command, cwd=cwd)


EXPRESSIONS = [rule["expr"] for rule in ALL_RULES] + blocks("promql")


def test_every_alert_says_what_it_is():
    """A severity that routes it, what happened with its value and unit, and where to read on."""
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert "for" in rule or "window" in rule["labels"], f"{rule['alert']} waits for nothing"


def test_every_alert_has_its_section_and_every_section_its_alert():
    """With what callers notice, where to look, causes, what to do, and when it ends."""
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
    assert sorted(sections) == NAMES
    for name, text in sections.items():
        assert re.findall(r"^- \*\*(\w+)", text, flags=re.MULTILINE) == ["Callers", "Look", "Causes", "Do", "Ends"], (
            name
        )


def test_every_setting_of_the_runbook_is_there():
    """By its variable; the key is a caller's."""
    known = {environment_name(name) for name in Settings.model_fields} | {"BENTORANK_API_KEY"}
    assert set(re.findall(r"BENTORANK_[A-Z_]+", PAGE)) <= known


def test_every_link_of_the_runbook_leads_somewhere():
    """To a file, or to a heading of the page."""
    anchors = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", PAGE)
    assert links
    for file, anchor in links:
        assert (REPOSITORY / "docs" / file).exists(), file
        assert file or anchor in anchors, anchor


@pytest.mark.process
def test_every_metric_is_one_that_a_server_has(remembering_service):
    """In rules and in the runbook's queries: by name, and by the values of labels, but for patterns of statuses."""
    assert rerank(remembering_service.url, ["alpha", "beta"]) == 200
    page = settled_scrape(remembering_service.url)
    named = [selector for expression in EXPRESSIONS for selector in selectors(expression)]
    assert {selector.name for selector in named} - RECORDED - OWN_METRICS - OF_REDIS - page.names == set()
    values = {(name, label, value) for name, labels in page.series for label, value in labels}
    for selector in named:
        for matcher in selector.matchers.matchers:
            if matcher.name not in {"job", "status", "level"} and matcher.op in (MatchOp.Equal, MatchOp.Re):
                for value in matcher.value.split("|"):
                    assert (selector.name, matcher.name, value) in values


def test_every_alert_is_tested():
    """In one case of promtool's it is silent, fires and ends, in this order."""
    tests = [test for file in CASES for test in yaml.safe_load(file.read_text())["tests"]]
    for rule in ALERTS:
        courses = ["".join(_course(test, rule)) for test in tests]
        assert any(re.search("-+[!]+-+", course) for course in courses), (rule["alert"], rule["labels"], courses)


def _course(test, rule):
    for check in test.get("alert_rule_test", ()):
        if check["alertname"] == rule["alert"]:
            fired = [alert["exp_labels"] for alert in check["exp_alerts"]]
            yield "!" if any(rule["labels"].items() <= labels.items() for labels in fired) else "-"


@needs("promtool")
def test_promtool_takes_rules_and_configuration():
    """As Prometheus would."""
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)
    run("promtool", "check", "config", CONFIG)


@needs("promtool")
@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_alerts_fire_stay_silent_and_end(file, tmp_path):
    """Each by the cases of its file."""
    (tmp_path / "tests").mkdir()
    shutil.copy(file, tmp_path / "tests")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(_rules_for(file.read_text())))
    run("promtool", "test", "rules", tmp_path / "tests" / file.name)


def _rules_for(cases):
    """Those that the cases ask for, and what they rest on: promtool evaluates all of them at every step."""
    alerts = [rule for rule in ALERTS if rule["alert"] in cases or "ALERTS" in cases]
    return {"groups": [{"name": "tested", "rules": [*recordings_for(alerts), *alerts]}]}


@pytest.mark.fault
@needs("promtool")
@pytest.mark.parametrize("name", NAMES)
def test_an_alert_without_one_of_its_conditions_fails_its_cases(name, tmp_path):
    """Each threshold, each guard and each waiting time is there for a case."""
    as_it_is, *spoilt = mutants(name)
    assert cases_pass(as_it_is, tmp_path / "as-it-is")
    unnoticed = [each.missing for number, each in enumerate(spoilt) if cases_pass(each, tmp_path / f"{number}")]
    assert unnoticed == []


@needs("promtool")
@pytest.mark.parametrize(
    ("named", "gone"),
    [
        ("runbook_url", ["runbook_url: docs/"]),
        ("le=", ['le="1.0"', "than 1 s"]),
        ("allows", ["0.001", "allows 0.1 %"]),
    ],
)
def test_the_rules_can_be_changed_as_the_runbook_says(tmp_path, named, gone):
    """The line leaves nothing of the old in rules that are still good."""
    (command,) = [block for block in blocks("sh") if "sed -i" in block and named in block]
    copy = tmp_path / "deploy" / "prometheus" / "rules.yml"
    copy.parent.mkdir(parents=True)
    shutil.copy(RULES, copy)
    runbook_shell(command, cwd=tmp_path)
    run("promtool", "check", "rules", copy)
    assert all(old in RULES.read_text() for old in gone)
    assert [old for old in gone if old in copy.read_text()] == []


def test_an_operator_s_rule_has_the_same_groups(tmp_path):
    """As the runbook makes it of the rules."""
    (command,) = [block for block in blocks("sh") if "PrometheusRule" in block]
    shutil.copytree(FOLDER, tmp_path / "deploy" / "prometheus")
    runbook_shell(command, cwd=tmp_path)
    rule = yaml.safe_load((tmp_path / "prometheusrule.yaml").read_text())
    assert rule["kind"] == "PrometheusRule"
    assert rule["spec"] == yaml.safe_load(RULES.read_text())


@needs("promtool")
@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.split(":")[0])
def test_the_configuration_can_be_completed_as_the_runbook_says(tmp_path, block):
    """With a key for /metrics, and with an Alertmanager."""
    config, added = yaml.safe_load(CONFIG.read_text()), yaml.safe_load(block)
    (config if "alerting" in added else config["scrape_configs"][0]).update(added)
    shutil.copy(RULES, tmp_path)
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    run("promtool", "check", "config", "--syntax-only", tmp_path / "prometheus.yml")


@pytest.mark.process
@pytest.mark.skipif(shutil.which("curl") is None, reason="the runbook's commands need curl")
def test_the_runbook_s_questions_to_an_instance_are_answered(remembering_service):
    """Ready, ranks, and tells what the runbook says that it tells."""
    ready, ranks, tells = [block for block in blocks("sh") if INSTANCE in block]
    ready, ranks, tells = (block.replace(INSTANCE, remembering_service.url) for block in (ready, ranks, tells))
    assert runbook_shell(ready).strip() == "200"
    assert json.loads(runbook_shell(ranks))["results"][0]["index"] == 1
    told = runbook_shell(tells)
    named = {f"rerank_{name}" for name in re.search(r"rerank_\((.*?)\)", tells)[1].split("|")}
    assert [name for name in named - OF_REDIS if f"\n{name}" not in f"\n{told}"] == []


@pytest.mark.process
@pytest.mark.slow
@needs("prometheus")
def test_a_real_prometheus_reads_a_real_server(remembering_service, tmp_path):
    """Every rule can be evaluated, every objective is recorded, and nothing alarms."""
    (command,) = [block for block in blocks("sh") if PROMETHEUS in block]
    with running_prometheus(tmp_path, remembering_service.url) as prometheus:
        wait_until(lambda: prometheus.query('up{job="bentorank"} == 1'), within_s=20)
        wait_until(lambda: prometheus.query("bentorank:rerank_answered:rate3d"), within_s=20)
        assert {rule["health"] for rule in prometheus.rules} == {"ok"}, [
            rule.get("lastError") for rule in prometheus.rules
        ]
        answer = json.loads(runbook_shell(command.replace(PROMETHEUS, prometheus.url)))
        assert answer["data"]["alerts"] == []
