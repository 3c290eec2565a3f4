"""What every release of the chart keeps to, beyond what Kubernetes itself asks: each policy says what breaks it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from unittest import mock

from bentorank.errors import ConfigurationError
from bentorank.settings import Settings, environment_name, read_settings
from bentorank.wiring import stop_within_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.helm import Manifest, Rendered

    Policy = Callable[[Rendered], Iterator[str]]

NOBODY = 10001
# bentorank ends a worker that hangs by itself: docs/reliability.md, F4. Only then is it Kubernetes' turn.
RESTARTS_ITSELF_WITHIN_S = 15
# What a model of a gigabyte takes to be fetched and converted; docs/models.md.
LOADING_TAKES_S = 300
# As in /proc/<pid>/environ: whoever may read a Deployment reads these too.
SECRET_NAMES = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|CREDENTIAL|CACHE_URL|HEADERS")
SECRET_SETTINGS = {"BENTORANK_API_KEYS", "BENTORANK_CACHE_URL"}
# Settings with such a name that hold a number, a switch or a path.
HARMLESS = {environment_name(name) for name in Settings.model_fields} - SECRET_SETTINGS
CREDENTIALS_IN_URL = re.compile(r"[a-z]+://[^/\s]*:[^/\s]*@")


def runs_as_nobody(rendered: Rendered) -> Iterator[str]:
    """Not root, no capability, no way to gain one, and the system calls of ordinary programs alone."""
    for name, pod in rendered.pods:
        context = pod["spec"].get("securityContext", {})
        # Where no user is named the platform assigns one, and Kubernetes starts none that is root.
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", NOBODY) != NOBODY:
            yield f"{name} may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} may make any system call"
        for container in containers(pod):
            rights = container.get("securityContext", {})
            if rights.get("allowPrivilegeEscalation") is not False or rights.get("privileged") is True:
                yield f"{name} may gain rights"
            if rights.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{name} has capabilities"


def writes_to_scratch_alone(rendered: Rendered) -> Iterator[str]:
    """A read-only root; what is mounted writable is an emptyDir with a limit, and everything that needs one has it."""
    for name, pod in rendered.pods:
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        for container in containers(pod):
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{name} may write to its image"
            for mount in container.get("volumeMounts", []):
                volume = volumes.get(mount["name"], {})
                if not mount.get("readOnly") and "sizeLimit" not in volume.get("emptyDir", {}):
                    yield f"{name} may write to {mount['mountPath']} without a limit"
    mounted = {mount["mountPath"] for mount in rendered.server["volumeMounts"] if not mount.get("readOnly")}
    if mounted != {"/home/bentorank", "/tmp"}:
        yield f"the server writes to {sorted(mounted)}"


def keeps_to_itself(rendered: Rendered) -> Iterator[str]:
    """No token of Kubernetes, nothing of the host, and no variables of Services, which bentorank takes for settings."""
    for name, pod in rendered.pods:
        spec = pod["spec"]
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} gets a token of Kubernetes"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} gets variables such as BENTORANK_PORT from a Service of that name"
        if any(spec.get(of_host) for of_host in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name} shares the host's network or processes"
        if any("hostPath" in volume for volume in spec.get("volumes", [])):
            yield f"{name} mounts a folder of the host"
    for account in rendered.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield "the service account hands out its token"


def has_limits(rendered: Rendered) -> Iterator[str]:
    """Memory and CPU, promised and bounded; the engine makes as many threads as its CPU limit."""
    for name, pod in rendered.pods:
        for container in containers(pod):
            for kind in ("requests", "limits"):
                missing = {"cpu", "memory"} - container.get("resources", {}).get(kind, {}).keys()
                if missing:
                    yield f"{name} has no {kind} of {sorted(missing)}"


def probes_are_coherent(rendered: Rendered) -> Iterator[str]:
    """Time to load, out of the Service before a restart, and no restart before bentorank's own."""
    probes = {kind: rendered.server.get(f"{kind}Probe") for kind in ("startup", "readiness", "liveness")}
    if missing := [kind for kind, probe in probes.items() if probe is None]:
        yield f"no {missing} probe"
        return
    paths = {kind: probe["httpGet"]["path"] for kind, probe in probes.items()}
    if paths != {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}:
        yield f"probes ask {paths}"
    patience_s = {kind: probe["periodSeconds"] * probe["failureThreshold"] for kind, probe in probes.items()}
    if patience_s["startup"] < LOADING_TAKES_S:
        yield f"loading may take {patience_s['startup']} s only"
    if patience_s["liveness"] <= patience_s["readiness"]:
        yield "a pod is restarted before it is taken out of the Service"
    if patience_s["liveness"] < RESTARTS_ITSELF_WITHIN_S:
        yield "a pod is restarted before bentorank has ended it and said why"
    for kind, probe in probes.items():
        if probe["timeoutSeconds"] > probe["periodSeconds"]:
            yield f"a {kind} probe takes longer than the time between two"


def grace_is_long_enough(rendered: Rendered) -> Iterator[str]:
    """The drain, the longest request, and what bentorank's supervisor takes to end what does not end by itself."""
    grace_s = rendered.one("Deployment")["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
    settings = settings_of(rendered)
    if grace_s < stop_within_s(settings):
        yield f"killed after {grace_s} s, but stopping may take {stop_within_s(settings)} s"
    if settings.drain_s <= 0:
        yield "no drain: requests arrive while endpoints are still being told"


def rollouts_lose_nobody(rendered: Rendered) -> Iterator[str]:
    """A new pod is ready before an old one goes, and a rollout is not given up while pods may still load."""
    spec = rendered.one("Deployment")["spec"]
    rolling = spec["strategy"].get("rollingUpdate", {})
    if spec["strategy"]["type"] != "RollingUpdate" or rolling.get("maxUnavailable") != 0:
        yield "a rollout takes pods away before others are ready"
    if rolling.get("maxSurge", 0) < 1:
        yield "a rollout may not add a pod"
    startup = rendered.server["startupProbe"]
    if spec.get("progressDeadlineSeconds", 600) <= startup["periodSeconds"] * startup["failureThreshold"]:
        yield "a rollout is given up while pods may still load"


def settings_roll_the_pods(rendered: Rendered) -> Iterator[str]:
    """A changed ConfigMap is seen by nobody unless pods are replaced; the release's other files are not watched."""
    annotations = rendered.one("Deployment")["spec"]["template"]["metadata"].get("annotations", {})
    if not re.fullmatch(r"[0-9a-f]{64}", annotations.get("checksum/config", "")):
        yield "no checksum of the settings"


def nodes_can_be_drained(rendered: Rendered) -> Iterator[str]:
    """A budget that lets one pod go at least, and leaves one at least."""
    for budget in rendered.of("PodDisruptionBudget"):
        spec = budget["spec"]
        if "minAvailable" in spec or spec.get("maxUnavailable", 0) < 1:
            yield "no pod may go, so no node can be drained"
        elif spec["maxUnavailable"] >= fewest_pods(rendered):
            yield f"all {fewest_pods(rendered)} pods may go at once"
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield "a pod that is not ready keeps its node from being drained"


def one_scales(rendered: Rendered) -> Iterator[str]:
    """One autoscaler at most, of this Deployment, which then does not say how many pods it has."""
    scalers = [*rendered.of("HorizontalPodAutoscaler"), *rendered.of("ScaledObject")]
    deployment = rendered.one("Deployment")
    if len(scalers) > 1:
        yield "two autoscalers pull at one Deployment"
    if bool(scalers) == ("replicas" in deployment["spec"]):
        yield "each upgrade sets the number of pods back" if scalers else "nothing says how many pods there are"
    for scaler in scalers:
        if scaler["spec"]["scaleTargetRef"]["name"] != deployment["metadata"]["name"]:
            yield "the autoscaler scales something else"
    if any(rendered.of("PodDisruptionBudget")) and fewest_pods(rendered) < 2:
        yield "a budget for one pod"


def selectors_match(rendered: Rendered) -> Iterator[str]:
    """Everything that selects the server's pods does, and nothing selects the pod of `helm test`."""
    server = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    tests = [pod["metadata"]["labels"] for pod in rendered.of("Pod")]
    for name, selector in _pod_selectors(rendered):
        if not selector or not selector.items() <= server.items():
            yield f"{name} selects other pods"
        elif any(selector.items() <= labels.items() for labels in tests):
            yield f"{name} selects the test's pod too"
    for monitor in rendered.of("ServiceMonitor"):
        service = rendered.one("Service")
        if not monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items():
            yield "ServiceMonitor selects another Service"
        if service["metadata"]["labels"].get(monitor["spec"].get("jobLabel")) != "bentorank":
            yield "the job is not called bentorank, by which rules and the dashboard select"


def ports_match(rendered: Rendered) -> Iterator[str]:
    """Service, probes, policy, Ingress and monitor name ports that exist."""
    container = {port["name"]: port["containerPort"] for port in rendered.server["ports"]}
    service = {port["name"]: port for port in rendered.one("Service")["spec"]["ports"]}
    wanted = [("Service", port["targetPort"]) for port in service.values()]
    wanted += [(kind, rendered.server[kind]["httpGet"]["port"]) for kind in rendered.server if kind.endswith("Probe")]
    wanted += [
        ("NetworkPolicy", port["port"])
        for policy in rendered.of("NetworkPolicy")
        for rule in policy["spec"]["ingress"]
        for port in rule["ports"]
    ]
    for name, port in wanted:
        if port not in container and port not in container.values():
            yield f"{name} names port {port}, which the container does not have"
    if environment_of(rendered).get("BENTOML_PORT") != str(container["http"]):
        yield "the container listens on another port than it declares"
    for ingress in rendered.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                if path["backend"]["service"]["port"].get("name") not in service:
                    yield "the Ingress names a port that the Service does not have"
    for monitor in rendered.of("ServiceMonitor"):
        if any(endpoint["port"] not in service for endpoint in monitor["spec"]["endpoints"]):
            yield "the ServiceMonitor names a port that the Service does not have"


def images_are_named(rendered: Rendered) -> Iterator[str]:
    """By a version or a digest, never by what moves."""
    for name, pod in rendered.pods:
        for container in containers(pod):
            tag = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[2]
            if tag in ("", "latest"):
                yield f"{name} runs whatever {container['image']} is today"


def secrets_are_references(rendered: Rendered) -> Iterator[str]:
    """No Secret, and no value of one, stands in plain manifests."""
    if any(rendered.of("Secret")):
        yield "a Secret is made of values"
    for name, pod in rendered.pods:
        for variable in (variable for container in containers(pod) for variable in container.get("env", [])):
            secret = SECRET_NAMES.search(variable["name"]) and variable["name"] not in HARMLESS | {"RANK_KEYS_FILE"}
            if "value" in variable and (secret or CREDENTIALS_IN_URL.search(variable["value"])):
                yield f"{variable['name']} of {name} is there to be read"
    for config in rendered.of("ConfigMap"):
        for key, value in config["data"].items():
            if key in SECRET_SETTINGS or CREDENTIALS_IN_URL.search(value):
                yield f"{key} is there to be read"


def gpus_are_used(rendered: Rendered) -> Iterator[str]:
    """A pod with a GPU, one, runs the image for it and does not fall back to the CPU; one without asks for none."""
    limits, requests = (rendered.server["resources"][kind] for kind in ("limits", "requests"))
    gpus = [name for name in limits if "/" in name]
    is_for_gpus = rendered.server["image"].partition("@")[0].endswith("-gpu")
    if bool(gpus) != is_for_gpus:
        yield "a GPU and the image for a CPU" if gpus else "the image for a GPU, and none"
    if gpus and not settings_of(rendered).device.startswith("cuda"):
        yield "it may serve on the CPU without a word"
    if any(int(limits[name]) != 1 or requests.get(name) != limits[name] for name in gpus):
        yield "one worker has one GPU"
    if gpus and "MALLOC_ARENA_MAX" in environment_of(rendered):
        yield "heaps that do not follow its cores"
    if gpus and "BENTORANK_WORKERS" in environment_of(rendered):
        yield "workers that do not follow its cores and its model"
    if gpus and not rendered.one("Deployment")["spec"]["template"]["spec"].get("tolerations"):
        yield "nodes with GPUs are not tolerated"


def strangers_need_keys(rendered: Rendered) -> Iterator[str]:
    """Where callers come from outside the cluster, for everything that has something to tell, /metrics too."""
    is_published = any(rendered.of("Ingress")) or rendered.one("Service")["spec"]["type"] != "ClusterIP"
    settings = settings_of(rendered)
    if is_published and settings.api_keys_file is None:
        yield "everybody may use it"
    if is_published and not settings.metrics_need_key:
        yield "everybody may read /metrics"
    for monitor in rendered.of("ServiceMonitor"):
        if settings.metrics_need_key and any("authorization" not in at for at in monitor["spec"]["endpoints"]):
            yield "Prometheus has no key for /metrics"


def settings_exist(rendered: Rendered) -> Iterator[str]:
    """Each BENTORANK_ variable is a setting, and together they are accepted."""
    known = {environment_name(name) for name in Settings.model_fields}
    for variable in environment_of(rendered):
        if variable.startswith("BENTORANK_") and variable not in known:
            yield f"{variable} is no setting"
            return
    try:
        settings_of(rendered)
    except ConfigurationError as error:
        yield f"bentorank would not start: {error}"


def mounts_have_volumes(rendered: Rendered) -> Iterator[str]:
    """Each mount names a volume, each volume is mounted, and models and keys are read-only."""
    for name, pod in rendered.pods:
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        mounts = [mount for container in containers(pod) for mount in container.get("volumeMounts", [])]
        if volumes != {mount["name"] for mount in mounts}:
            yield f"{name} mounts other volumes than it has"
        for mount in mounts:
            if mount["name"] in ("models", "api-keys") and mount.get("readOnly") is not True:
                yield f"{mount['name']} may be written to"
            if mount["name"] == "api-keys" and "subPath" in mount:
                yield "changed keys would never arrive"
    settings = settings_of(rendered)
    if settings.api_keys_file is not None and "/etc/bentorank/keys" not in _mount_paths(rendered):
        yield "the file of keys is not mounted"
    if settings.model.startswith("/models") and "/models" not in _mount_paths(rendered):
        yield "the model is not mounted"


def network_lets_through_what_is_needed(rendered: Rendered) -> Iterator[str]:
    """In comes the port; out go names and, where they are set, Redis and spans, but nothing to any port."""
    for policy in rendered.of("NetworkPolicy"):
        spec = policy["spec"]
        if set(spec["policyTypes"]) != {"Ingress", "Egress"}:
            yield "the policy leaves a direction open"
        out = {(port["port"], port["protocol"]) for rule in spec["egress"] for port in rule.get("ports", [])}
        if any(not rule.get("ports") for rule in spec["egress"]):
            yield "every port is open outwards"
        if not {(53, "UDP"), (53, "TCP")} <= out:
            yield "names cannot be looked up"
        variables = {variable["name"] for variable in rendered.server["env"]}
        needed = {"BENTORANK_CACHE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"} & variables
        if len(out) < 2 + len(needed):
            yield f"{sorted(needed)} cannot be reached"
        tests = [pod["metadata"]["labels"] for pod in rendered.of("Pod")]
        for rule in spec["ingress"]:
            labels = [peer.get("podSelector", {}).get("matchLabels", {}) for peer in rule.get("from", [])]
            if tests and "from" in rule and not any(label and label.items() <= tests[0].items() for label in labels):
                yield "the test's pod cannot reach the server"


POLICIES: tuple[Policy, ...] = (
    runs_as_nobody,
    writes_to_scratch_alone,
    keeps_to_itself,
    has_limits,
    probes_are_coherent,
    grace_is_long_enough,
    rollouts_lose_nobody,
    settings_roll_the_pods,
    nodes_can_be_drained,
    one_scales,
    selectors_match,
    ports_match,
    images_are_named,
    secrets_are_references,
    strangers_need_keys,
    gpus_are_used,
    settings_exist,
    mounts_have_volumes,
    network_lets_through_what_is_needed,
)


def containers(pod: Manifest) -> list[Manifest]:
    """Those of a pod, those that run before included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment_of(rendered: Rendered) -> dict[str, str]:
    """The server's variables; those from Secrets have a value that would do."""
    variables = dict(rendered.one("ConfigMap")["data"])
    for variable in rendered.server["env"]:
        variables[variable["name"]] = variable.get("value", "redis://from.a.secret")
    return variables


def settings_of(rendered: Rendered) -> Settings:
    """What bentorank reads in such a pod. Raises ConfigurationError."""
    with mock.patch.dict(os.environ, environment_of(rendered), clear=True):
        os.environ["HOME"] = "/home/bentorank"
        return read_settings()


def fewest_pods(rendered: Rendered) -> int:
    """When there is no load."""
    for scaler in (*rendered.of("HorizontalPodAutoscaler"), *rendered.of("ScaledObject")):
        spec = scaler["spec"]
        return spec["minReplicas"] if "minReplicas" in spec else spec["minReplicaCount"]
    return rendered.one("Deployment")["spec"].get("replicas", 1)


def _pod_selectors(rendered: Rendered) -> Iterator[tuple[str, dict[str, str]]]:
    spec = rendered.one("Deployment")["spec"]
    yield "Deployment", spec["selector"]["matchLabels"]
    yield "Service", rendered.one("Service")["spec"]["selector"]
    for budget in rendered.of("PodDisruptionBudget"):
        yield "PodDisruptionBudget", budget["spec"]["selector"]["matchLabels"]
    for policy in rendered.of("NetworkPolicy"):
        yield "NetworkPolicy", policy["spec"]["podSelector"]["matchLabels"]


def _mount_paths(rendered: Rendered) -> set[str]:
    return {mount["mountPath"] for mount in rendered.server["volumeMounts"]}


def violations(policy: Policy, rendered: Rendered) -> list[str]:
    """All that breaks it."""
    found: list[Any] = list(policy(rendered))
    return found
