"""Writes bentorank's settings into the chart's values.schema.json, so that Helm refuses what bentorank would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bentorank.settings import Settings, environment_name

SCHEMA = Path(__file__).with_name("bentorank") / "values.schema.json"

# The chart sets these or takes them from a Secret: templates/_contradictions.tpl says so to whoever sets them here.
OF_THE_CHART = frozenset(
    {
        *("admin_key", "api_keys", "api_keys_file", "cache_dir", "cache_url", "cache_url_file", "env_file"),
        *("gpus", "host", "port", "tracing", "workers"),
    }
)
KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern")


def settings_schema() -> dict[str, Any]:
    """JSON schema of `config`: each setting's variable, with its bounds."""
    schema = Settings.model_json_schema()
    return {
        "description": "bentorank's settings, docs/settings.md.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            environment_name(name): _refused() if name in OF_THE_CHART else _of_one(field, schema.get("$defs", {}))
            for name, field in schema["properties"].items()
        },
    }


def _refused() -> dict[str, Any]:
    return {"description": "Not here: the chart's templates say where instead."}


def _of_one(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    # A setting that may be unset is one of two; the other is null.
    (bounds, *_) = field.get("anyOf", [field])
    bounds = definitions.get(bounds.get("$ref", "").rpartition("/")[2], bounds)
    # A variable holds a list as text, its items between commas.
    bounds = {"type": "string"} if bounds["type"] == "array" else bounds
    return {"description": field["description"], **{name: bounds[name] for name in KEPT if name in bounds}}


def main() -> None:
    """Replace the part of the file that is made from the settings."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["config"] = settings_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
