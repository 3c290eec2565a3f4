"""The dashboard: up to date, of metrics that exist, readable without knowing the code, in PromQL that parses."""

import json
import re
import shutil
import subprocess

import pytest
from support.faulty import rerank
from support.metrics import settled_scrape
from support.redis_server import running_redis
from support.server import running_server

from deploy.grafana import generate
from deploy.grafana.dashboard import LATENCIES_S
from deploy.grafana.unused import UNUSED

DASHBOARD = json.loads(generate.FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALL_QUERIES = QUERIES + [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
CHOSEN_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Prometheus itself adds to what it scrapes.
OF_PROMETHEUS = {"up"}
LABELS_OF_PROMETHEUS = {"job", "instance"}
SERIES = re.compile(r"([a-z_]+)\{([^}]*)\}")
PARTS = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture(scope="module")
def scrape(tmp_path_factory):
    """Of a server that remembers scores in Redis, once everything that it counts has begun."""
    home = tmp_path_factory.mktemp("drawn")
    with running_redis(home) as redis, running_server(home, engine="fake", cache_url=redis.url) as server:
        assert rerank(server.url, ["alpha", "beta"]) == 200
        yield settled_scrape(server.url)


def labels_of(scrape, name):
    return {label for sample, labels in scrape.series if sample == name for label, _ in labels}


def by_title(panel):
    return panel["title"]


def test_the_file_is_what_the_code_makes():
    """Else run `make dashboards`."""
    assert generate.FILE.read_text() == generate.text()


def test_every_metric_of_a_query_exists(scrape):
    """A panel of a metric that nobody has is empty for ever, and nobody asks why."""
    used = {name for query in ALL_QUERIES for name, _ in SERIES.findall(query)}
    assert used - scrape.names - OF_PROMETHEUS == set()


def test_every_label_of_a_query_exists(scrape):
    """Matched, grouped by, or shown in a legend: by a label that a metric lacks, all its series are one."""
    for panel in PANELS:
        for target in panel["targets"]:
            series = SERIES.findall(target["expr"])
            matched = {(name, label) for name, match in series for label in re.findall(r"(\w+)=~?\"", match)}
            grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            wanted = matched | {(name, label) for name, _ in series for label in grouped}
            missing = [pair for pair in wanted if pair[1] not in labels_of(scrape, pair[0]) | LABELS_OF_PROMETHEUS]
            assert missing == [], panel["title"]
            assert shown <= grouped | LABELS_OF_PROMETHEUS, panel["title"]


def test_every_metric_is_drawn_or_left_out_for_a_reason(scrape):
    """What is worth counting is worth looking at."""
    there = set(re.findall(r"^# TYPE (\w+) ", scrape.text, re.MULTILINE))
    used = {
        PARTS.sub("", name) if PARTS.sub("", name) in there else name for name, _ in SERIES.findall(" ".join(QUERIES))
    }
    assert there - used == UNUSED.keys() & there
    assert not UNUSED.keys() & used


@pytest.mark.parametrize("panel", PANELS, ids=by_title)
def test_a_panel_can_be_read(panel):
    """A unit, a description in sentences, named series, and the data source that is chosen."""
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert re.fullmatch(r"[A-Z0-9].{20,}\.", panel["description"])
    assert panel["datasource"] == CHOSEN_SOURCE
    assert panel["targets"]
    assert all(target["datasource"] == CHOSEN_SOURCE and target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_no_counter_is_drawn_as_it_is(query):
    """It only grows, falls when a process starts, and says nothing: rates and increases do."""
    counters = [name for name, _ in SERIES.findall(query) if re.search(r"_(total|bucket|sum|count)$", name)]
    assert counters == re.findall(r"(?:rate|increase)\(([a-z_]+_(?:total|bucket|sum|count))\{", query)
    assert all('job=~"$job",instance=~"$instance"' in match for _, match in SERIES.findall(query))


def test_panels_have_places_of_their_own():
    """Ids are unique, titles within their row, and nothing overlaps."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)


def test_the_variables_choose_what_is_shown(scrape):
    """Data source, job, model and instance; the latencies to choose from are buckets, as they are labelled."""
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert [*variables] == ["datasource", "job", "model", "instance", "latency_s"]
    assert variables["datasource"]["type"] == "datasource"
    buckets = {
        dict(labels).get("le") for name, labels in scrape.series if name.endswith("request_duration_seconds_bucket")
    }
    assert set(LATENCIES_S) <= buckets


def test_every_query_parses(tmp_path):
    """As Prometheus itself reads it."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: it is in Debian's package prometheus")
    filled = [query.replace("$__rate_interval", "5m").replace("$__range", "1h") for query in ALL_QUERIES]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout
