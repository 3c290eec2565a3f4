"""The Helm chart: rendered by Helm's own engine, valid for Kubernetes, and safe by policies that are seen to fail."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.fetching import fetch
from support.helm import CHART, VALUE_SETS, error_of, read_values, render, render_files
from support.helm_mutations import MUTATIONS
from support.helm_pod import running_pod
from support.helm_policies import POLICIES, gpus_are_used, violations
from support.keys import FILE_KEY
from support.sandbox import needs_bubblewrap
from support.server import REPOSITORY

import bentorank
from bentorank.errors import ConfigurationError
from bentorank.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.helm import Rendered

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this platform")
pytest.importorskip("kubernetes_validate")

KUBERNETES = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
SETS = {path.stem: read_values(path) for path in VALUE_SETS}

every_set = pytest.mark.parametrize("name", SETS)


@cache
def rendered(name: str) -> Rendered:
    """The manifests of a set of values."""
    return render(SETS[name])


@every_set
def test_manifests_are_valid(name):
    """Strictly, for each version: a field that Kubernetes of that version does not know is an error."""
    errors = [(version, error_of(manifest, version)) for version in KUBERNETES for manifest in rendered(name).manifests]
    assert [(version, error) for version, error in errors if error is not None] == []


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_a_field_that_does_not_exist_is_seen(kubernetes):
    """In each kind of manifest, the ones that others than Kubernetes define included."""
    for manifest in (*rendered("everything").manifests, rendered("hpa").one("HorizontalPodAutoscaler")):
        part = "data" if manifest["kind"] == "ConfigMap" else "spec" if "spec" in manifest else "metadata"
        value = 1 if part == "data" else "x"
        assert error_of({**manifest, part: {**manifest[part], "misspelt": value}}, kubernetes), manifest["kind"]


@every_set
def test_policies_are_kept(name):
    """By every set of values."""
    found = {policy.__name__: violations(policy, rendered(name)) for policy in POLICIES}
    assert {name: sentences for name, sentences in found.items() if sentences} == {}


def _properties(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each value that the schema knows, by its path."""
    for name, described in schema.get("properties", {}).items():
        yield f"{path}.{name}", described
        yield from _properties(described, f"{path}.{name}")


def _names(values: dict[str, Any], path: str) -> Iterator[str]:
    """Each value that there is, by its path."""
    for name, value in values.items():
        yield f"{path}.{name}"
        if isinstance(value, dict):
            yield from _names(value, f"{path}.{name}")


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_policies_are_seen_to_fail(policy):
    """Each on manifests that were spoilt in every way that it speaks of; on a copy that was not, it is content."""
    assert MUTATIONS[policy.__name__]
    for words, spoil in MUTATIONS[policy.__name__]:
        spoilt = rendered("everything-gpu" if policy is gpus_are_used else "everything").copy()
        assert violations(policy, spoilt) == []
        spoil(spoilt)
        found = violations(policy, spoilt)
        assert any(words in sentence for sentence in found), (words, found)


TYPOS = {
    "a name that does not exist": ({"replicas": 3}, "additional properties 'replicas' not allowed"),
    "one further down": ({"apiKeys": {"secret": "keys"}}, "additional properties 'secret' not allowed"),
    "a setting that does not exist": (
        {"config": {"BENTORANK_MAX_BATCH_TOKEN": 1024}},
        "additional properties 'BENTORANK_MAX_BATCH_TOKEN' not allowed",
    ),
    "a word that a setting does not know": (
        {"config": {"BENTORANK_PRECISION": "int9"}},
        "must be one of 'auto', 'f32'",
    ),
    "a setting out of its bounds": ({"config": {"BENTORANK_DRAIN_S": 900}}, "maximum: got 900, want 600"),
    "a number as text": ({"config": {"BENTORANK_WORKERS": 1, "BENTORANK_THREADS": "2"}}, "got string, want integer"),
    "no pods": ({"replicaCount": 0}, "minimum: got 0, want 1"),
    "an amount of nothing known": ({"resources": {"limits": {"memory": "2 GB"}}}, "/resources/limits/memory"),
    "no limit": ({"resources": {"limits": {"memory": None}}}, "missing property 'memory'"),
    "both autoscalers": ({"autoscaling": {"kind": "hpa,keda"}}, "must be one of 'none', 'hpa', 'keda'"),
    "a tag in the repository": ({"image": {"repository": "bentorank:1"}}, "/image/repository"),
}


@pytest.mark.parametrize(("values", "sentence"), TYPOS.values(), ids=TYPOS)
def test_typos_are_refused(values, sentence):
    """By the schema, with the place and what was expected there."""
    with pytest.raises(helm_python.HelmError) as refused:
        render_files(values)
    assert sentence in str(refused.value)


CONTRADICTIONS = {
    "keys": ({"config": {"BENTORANK_API_KEYS": "x"}}, "put keys into a Secret"),
    "url": ({"config": {"BENTORANK_CACHE_URL": "redis://r"}}, "redis.existingSecret"),
    "url in a file": ({"config": {"BENTORANK_CACHE_URL_FILE": "/x"}}, "redis.existingSecret"),
    "workers": ({"config": {"BENTORANK_WORKERS": 2}}, "config.BENTORANK_WORKERS is the chart's business"),
    "a setting aside": ({"extraEnv": [{"name": "BENTORANK_DEVICE", "value": "cpu"}]}, "extraEnv has BENTORANK_DEVICE"),
    "latest": ({"image": {"tag": "latest"}}, "image.tag is latest"),
    "budget of one": ({"replicaCount": 1}, "podDisruptionBudget.enabled needs two pods"),
    "budget of one, scaled": (
        {"autoscaling": {"kind": "hpa", "minReplicas": 1}},
        "podDisruptionBudget.enabled needs two pods",
    ),
    "budget of all": ({"podDisruptionBudget": {"maxUnavailable": 2}}, "nobody would be left"),
    "no rollout": ({"rollout": {"maxSurge": 0}}, "no pod could ever be replaced"),
    "more than most": ({"autoscaling": {"kind": "hpa", "minReplicas": 20}}, "maxReplicas is 10 but"),
    "by nothing": ({"autoscaling": {"kind": "hpa", "hpa": {"cpuPercent": None}}}, "says by what"),
    "a GPU by CPU": ({"gpu": {"enabled": True}, "autoscaling": {"kind": "hpa"}}, "says nothing of a GPU"),
    "no prometheus": ({"autoscaling": {"kind": "keda"}}, "keda.serverAddress"),
    "metrics without keys": ({"config": {"BENTORANK_METRICS_NEED_KEY": True}}, "set apiKeys.existingSecret"),
    "shares without keys": ({"config": {"BENTORANK_KEY_TOKENS_PER_S": 9}}, "set apiKeys.existingSecret"),
    "open to all": ({"ingress": {"enabled": True, "hosts": ["a.example"]}}, "whoever knows the address"),
    "open to all, balanced": ({"service": {"type": "LoadBalancer"}}, "reaches beyond the cluster"),
    "no host": ({"ingress": {"enabled": True}, "apiKeys": {"existingSecret": "k"}}, "ingress.hosts is empty"),
    "a monitor without a key": (
        {
            "serviceMonitor": {"enabled": True},
            "apiKeys": {"existingSecret": "k"},
            "config": {"BENTORANK_METRICS_NEED_KEY": True},
        },
        "serviceMonitor.keySecret names none",
    ),
    "a monitor from outside": (
        {
            "serviceMonitor": {"enabled": True},
            "apiKeys": {"existingSecret": "k"},
            "ingress": {"enabled": True, "hosts": ["a.example"]},
        },
        "/metrics wants a key here",
    ),
    "redis for no cache": (
        {"redis": {"existingSecret": "r"}, "config": {"BENTORANK_CACHE": False}},
        "config.BENTORANK_CACHE is false",
    ),
    "a model on no volume": ({"config": {"BENTORANK_MODEL": "/models/x"}}, "model.existingClaim names no volume"),
    "a volume for no model": ({"model": {"existingClaim": "m"}}, "nor BENTORANK_MODELS is below it"),
    "models on no volume": (
        {"config": {"BENTORANK_MODELS": "starter,x=/models/x"}},
        "model.existingClaim names no volume",
    ),
    "models and a model": ({"config": {"BENTORANK_MODELS": "starter", "BENTORANK_MODEL": "org/name"}}, "are both set"),
    "models of the hub": ({"config": {"BENTORANK_MODELS": "starter,x=org/name"}}, "is to be fetched from Hugging Face"),
    "a model out of reach": ({"config": {"BENTORANK_MODEL": "BAAI/bge"}}, "networkPolicy lets nothing out"),
    "an idle GPU": ({"gpu": {"enabled": True}, "config": {"BENTORANK_DEVICE": "cpu"}}, "the GPU would idle"),
    "restarted at once": ({"probes": {"liveness": {"failureThreshold": 1}}}, "a pod must be out before"),
    "restarted too soon": (
        {"probes": {"liveness": {"periodSeconds": 4}, "readiness": {"periodSeconds": 3}}},
        "leave it 15",
    ),
    "slow probes": ({"probes": {"readiness": {"timeoutSeconds": 9}}}, "longer than its period"),
}


@pytest.mark.parametrize(("values", "sentence"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_are_refused(values, sentence):
    """In a sentence that names both values, before anything is installed."""
    with pytest.raises(helm_python.HelmError) as refused:
        render_files(values)
    assert sentence in str(refused.value)


def test_the_chart_refuses_what_bentorank_refuses():
    """`python deploy/helm/settings_schema.py` makes it so after a change of settings."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    made = runpy.run_path(str(REPOSITORY / "deploy" / "helm" / "settings_schema.py"))["settings_schema"]()
    assert schema["properties"]["config"] == made


def test_every_value_is_described():
    """In values.yaml, where whoever installs the chart looks, and in the schema, which editors show."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    described = dict(_properties(schema, ""))
    assert [name for name, value in described.items() if "description" not in value] == []
    set_here = {name for name in _names(values, "") if not name.startswith(".config.")}
    ours = {name for name in described if not name.startswith(".config.")}
    assert ours - set_here == {".global"}


def test_every_value_has_a_comment():
    """Above it or beside it, amounts of CPU and memory aside, which are one value together."""
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    values = [(above, line) for above, line in pairwise(lines) if re.match(r" *[a-z]\w*: *[^ #]", line, re.IGNORECASE)]
    assert values
    bare = [line.strip() for above, line in values if "#" not in above + line]
    assert {line for line in bare if not re.match(r"(cpu|memory|operator|effect|cidr|kubernetes)", line)} == set()


def test_the_links_of_its_page_lead_somewhere():
    """Files of this repository, with the headings that are named."""
    text = (CHART / "README.md").read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert links
    assert [link for link in links if not (CHART / link).exists()] == []


def test_the_rules_are_those_of_prometheus():
    """`cp deploy/prometheus/rules.yml deploy/helm/bentorank/files/` makes it so: a chart has no files but its own."""
    ours = (REPOSITORY / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    assert (CHART / "files" / "rules.yml").read_text(encoding="utf-8") == ours
    rule = render({"prometheusRule": {"enabled": True}}).one("PrometheusRule")
    assert rule["spec"] == yaml.safe_load(ours)


def test_alerts_link_to_where_the_docs_are_read():
    """Each to its own section."""
    values = {"prometheusRule": {"enabled": True, "docsUrl": "https://docs.example/bentorank/"}}
    groups = render(values).one("PrometheusRule")["spec"]["groups"]
    alerts = {rule["alert"]: rule["annotations"] for group in groups for rule in group["rules"] if "alert" in rule}
    links = {alert: annotations["runbook_url"] for alert, annotations in alerts.items()}
    assert links
    assert links == {alert: f"https://docs.example/bentorank/operations.md#{alert.lower()}" for alert in links}


def test_the_chart_is_of_this_version():
    """The tag of the image is the version of the package."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"] == bentorank.__version__


@pytest.mark.parametrize(
    ("name", "told", "not_told"),
    [
        ("minimal", "There are no API keys", "From outside"),
        ("ingress", "https://rerank.example.com", "There are no API keys"),
        ("hub-model", "fetches the model from Hugging Face", "From outside"),
        ("servicemonitor", "http://search-bentorank.rag:3000", "Nothing here tells Prometheus"),
        ("keda", "3 pods, up to 10 by keda", "Hugging Face"),
    ],
)
def test_notes_say_what_matters(name, told, not_told):
    """After an installation: where it is, and what is open or missing."""
    notes = render_files(SETS[name])["bentorank/templates/NOTES.txt"]
    assert told in notes
    assert not_told not in notes


def test_names_are_never_too_long():
    """With the longest name that a release may have, those of all objects have at most 63 characters."""
    names = [manifest["metadata"]["name"] for manifest in render({}, release="a" * 53).manifests]
    assert names
    assert max(map(len, names)) <= 63


def test_helm_has_nothing_to_say():
    """`helm lint --strict`, for the oldest and the newest Kubernetes."""
    for kubernetes in (KUBERNETES[0], KUBERNETES[-1]):
        report = helm_python.lint(str(CHART), SETS["everything"], strict=True, kube_version=f"v{kubernetes}.0")
        assert [message for message in report["messages"] if message["severity"] > 1] == []
        assert report["errors"] in (None, [])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Debian's package prometheus")
@pytest.mark.parametrize("name", ["keda", "everything"])
def test_keda_asks_what_prometheus_understands(tmp_path, name):
    """Its queries, quoted twice on their way, are PromQL with the labels that were meant."""
    queries = [trigger["metadata"]["query"] for trigger in rendered(name).one("ScaledObject")["spec"]["triggers"]]
    labels = 'app="rerank"' if name == "everything" else 'namespace="rag",service="search-bentorank"'
    assert all(f"{{{labels}}}" in query for query in queries)
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "keda", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.process
def test_a_pod_starts_ranks_and_drains(tmp_path):
    """With the variables, the user and the two places to write to that the manifests give it; `helm test` passes.

    The fake engine, since `tests/process/test_sandbox.py` has the shipped model in such a place.
    """
    keys, wrong = tmp_path / "keys", tmp_path / "wrong"
    keys.write_text(f"# of this release\n{FILE_KEY}\n")
    wrong.write_text("another-key-that-is-long-enough\n")
    values = {"config": {"BENTORANK_METRICS_NEED_KEY": True, "BENTORANK_DRAIN_S": 1, "BENTORANK_ENGINE": "fake"}}
    with running_pod(render({**values, "apiKeys": {"existingSecret": "keys"}}), keys, tmp_path / "log") as pod:
        assert pod.probe("readiness") == pod.probe("liveness") == 200
        # By whatever path: a proxy in front that hides one hides nothing.
        assert [fetch(pod.url + path, 5)[0] for path in ("/metrics", "/v1/metrics")] == [401, 401]
        passed = pod.test(keys)
        assert passed.returncode == 0, passed.stderr
        refused = pod.test(wrong)
        assert refused.returncode == 1
        assert "the service answered 401" in refused.stderr
        assert pod.stop() == 0, pod.log
        assert "Read-only" not in pod.log
        assert "Permission" not in pod.log


def test_variables_of_a_service_would_be_refused(monkeypatch):
    """Which is why the pods do without: Kubernetes would add them for a Service named bentorank."""
    monkeypatch.setenv("BENTORANK_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigurationError, match="unknown setting BENTORANK_SERVICE_HOST"):
        read_settings()
