"""The Helm chart, rendered by Helm's own engine, and what Kubernetes says to the result."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

from support.server import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHART = REPOSITORY / "deploy" / "helm" / "bentorank"
CHECKS = REPOSITORY / "tests" / "deploy" / "helm"
VALUE_SETS = sorted((CHECKS / "values").glob("*.yaml"))
RELEASE = "search"
NAMESPACE = "rag"

Manifest = dict[str, Any]


@cache
def chart() -> Any:
    """The chart, read once."""
    import helm_python

    return helm_python.Chart.load(str(CHART))


def read_values(path: Path) -> dict[str, Any]:
    """Values as Helm reads them from a file."""
    import helm_python

    return helm_python.values_from_yaml(path.read_text(encoding="utf-8"))


def render_files(values: dict[str, Any], release: str = RELEASE) -> dict[str, str]:
    """Each template's text. Raises helm_python.HelmError where values are refused."""
    chart().validate_schema(values)
    return chart().render(values, name=release, namespace=NAMESPACE)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The manifests of one release."""

    manifests: list[Manifest]

    def of(self, kind: str) -> Iterator[Manifest]:
        """Those of a kind."""
        return (manifest for manifest in self.manifests if manifest["kind"] == kind)

    def one(self, kind: str) -> Manifest:
        """The only one of a kind."""
        (manifest,) = self.of(kind)
        return manifest

    @property
    def pods(self) -> list[tuple[str, Manifest]]:
        """Name, and metadata and spec, of each pod and of each pod's template."""
        deployments = [(item["metadata"]["name"], item["spec"]["template"]) for item in self.of("Deployment")]
        return deployments + [(item["metadata"]["name"], item) for item in self.of("Pod")]

    @property
    def server(self) -> Manifest:
        """The server's container."""
        (container,) = self.one("Deployment")["spec"]["template"]["spec"]["containers"]
        return container

    def copy(self) -> Rendered:
        """One that can be spoilt."""
        return copy.deepcopy(self)

    def add(self, manifest: Manifest) -> None:
        """One more."""
        self.manifests.append(manifest)

    def remove(self, kind: str) -> None:
        """All of a kind."""
        self.manifests[:] = [manifest for manifest in self.manifests if manifest["kind"] != kind]


def render(values: dict[str, Any], release: str = RELEASE) -> Rendered:
    """Every manifest of a release with `values`."""
    texts = [text for name, text in sorted(render_files(values, release).items()) if name.endswith(".yaml")]
    items = (item for text in texts for item in yaml.load_all(text, Loader=yaml.CSafeLoader))
    return Rendered([item for item in items if item is not None])


def error_of(manifest: Manifest, kubernetes: str) -> str | None:
    """What Kubernetes of that version would object to, a field that it does not know included; None if nothing."""
    return _error_of(json.dumps(manifest, sort_keys=True), kubernetes)


@cache  # sets of values have many manifests in common
def _error_of(text: str, kubernetes: str) -> str | None:
    manifest = json.loads(text)
    own_schema = CHECKS / "crds" / f"{manifest['kind'].lower()}.json"
    try:
        if own_schema.exists():
            jsonschema.validate(manifest, json.loads(own_schema.read_text(encoding="utf-8")))
        else:
            _kubernetes_validate().validate(manifest, kubernetes, strict=True)
    except jsonschema.ValidationError as error:
        return f"{manifest['kind']}: {error.json_path}: {error.message}"
    return None


@cache
def _kubernetes_validate() -> Any:
    import kubernetes_validate

    # It reads a version's definitions, 1.8 MB, anew for each manifest, which is most of its time.
    kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)
    return kubernetes_validate
