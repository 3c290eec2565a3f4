"""The Grafana dashboard, as code: `generate.py` writes bentorank.json, which is all that Grafana needs."""
