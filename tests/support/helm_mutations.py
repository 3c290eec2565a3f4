"""Ways to spoil the chart's manifests, by the policy that must notice, each with words in which it must say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.helm import Rendered


def _server(rendered: Rendered) -> dict[str, Any]:
    return rendered.server


def _spec(rendered: Rendered, kind: str = "Deployment") -> dict[str, Any]:
    return rendered.one(kind)["spec"]


def _pod(rendered: Rendered) -> dict[str, Any]:
    return _spec(rendered)["template"]["spec"]


def _add_env(rendered: Rendered, name: str, value: str) -> None:
    rendered.server["env"].append({"name": name, "value": value})


def _scale_by(kind: str) -> dict[str, Any]:
    return {"kind": kind, "spec": {"scaleTargetRef": {"name": "search-bentorank"}, "minReplicas": 2}}


# Of the manifests of the sets `everything` or, for GPUs, `everything-gpu`.
MUTATIONS: dict[str, list[tuple[str, Callable[[Rendered], object]]]] = {
    "runs_as_nobody": [
        ("may run as root", lambda r: _pod(r)["securityContext"].pop("runAsNonRoot")),
        ("may run as root", lambda r: _pod(r)["securityContext"].update(runAsUser=0)),
        ("make any system call", lambda r: _pod(r)["securityContext"].pop("seccompProfile")),
        ("may gain rights", lambda r: _server(r)["securityContext"].pop("allowPrivilegeEscalation")),
        ("may gain rights", lambda r: _server(r)["securityContext"].update(privileged=True)),
        ("has capabilities", lambda r: _server(r)["securityContext"].pop("capabilities")),
        ("has capabilities", lambda r: _server(r)["securityContext"]["capabilities"].update(add=["NET_RAW"])),
        ("-test may run as root", lambda r: _spec(r, "Pod").pop("securityContext")),
    ],
    "writes_to_scratch_alone": [
        ("write to its image", lambda r: _server(r)["securityContext"].update(readOnlyRootFilesystem=False)),
        ("/tmp without a limit", lambda r: _pod(r)["volumes"][1]["emptyDir"].pop("sizeLimit")),
        ("/models without a limit", lambda r: [mount.pop("readOnly", None) for mount in _server(r)["volumeMounts"]]),
        ("the server writes to", lambda r: _server(r)["volumeMounts"].pop(0)),
    ],
    "keeps_to_itself": [
        ("a token of Kubernetes", lambda r: _pod(r).pop("automountServiceAccountToken")),
        ("BENTORANK_PORT", lambda r: _pod(r).pop("enableServiceLinks")),
        ("the host's network", lambda r: _pod(r).update(hostNetwork=True)),
        ("a folder of the host", lambda r: _pod(r)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
        ("hands out its token", lambda r: r.one("ServiceAccount").pop("automountServiceAccountToken")),
    ],
    "has_limits": [
        ("no limits", lambda r: _server(r)["resources"].pop("limits")),
        ("no requests of ['cpu']", lambda r: _server(r)["resources"]["requests"].pop("cpu")),
        ("-test has no limits", lambda r: _spec(r, "Pod")["containers"][0].pop("resources")),
    ],
    "probes_are_coherent": [
        ("no ['readiness'] probe", lambda r: _server(r).pop("readinessProbe")),
        ("probes ask", lambda r: _server(r)["livenessProbe"]["httpGet"].update(path="/readyz")),
        ("loading may take", lambda r: _server(r)["startupProbe"].update(failureThreshold=6)),
        ("before it is taken out", lambda r: _server(r)["livenessProbe"].update(periodSeconds=3)),
        ("before bentorank has ended it", lambda r: _server(r)["livenessProbe"].update(failureThreshold=1)),
        ("longer than the time between", lambda r: _server(r)["readinessProbe"].update(timeoutSeconds=60)),
    ],
    "grace_is_long_enough": [
        ("killed after 30 s", lambda r: _pod(r).pop("terminationGracePeriodSeconds")),
        ("stopping may take", lambda r: r.one("ConfigMap")["data"].update(BENTORANK_DRAIN_S="60")),
        ("stopping may take", lambda r: r.one("ConfigMap")["data"].update(BENTORANK_REQUEST_TIMEOUT_S="60")),
        ("no drain", lambda r: r.one("ConfigMap")["data"].pop("BENTORANK_DRAIN_S")),
    ],
    "rollouts_lose_nobody": [
        ("before others are ready", lambda r: _spec(r)["strategy"]["rollingUpdate"].update(maxUnavailable=1)),
        ("before others are ready", lambda r: _spec(r)["strategy"].update(type="Recreate")),
        ("may not add a pod", lambda r: _spec(r)["strategy"]["rollingUpdate"].update(maxSurge=0)),
        ("given up", lambda r: _spec(r).pop("progressDeadlineSeconds")),
    ],
    "settings_roll_the_pods": [
        ("no checksum", lambda r: _spec(r)["template"]["metadata"]["annotations"].pop("checksum/config")),
    ],
    "nodes_can_be_drained": [
        ("no node can be drained", lambda r: _spec(r, "PodDisruptionBudget").update(minAvailable=2)),
        ("no node can be drained", lambda r: _spec(r, "PodDisruptionBudget").update(maxUnavailable=0)),
        ("may go at once", lambda r: _spec(r, "PodDisruptionBudget").update(maxUnavailable=2)),
        ("keeps its node", lambda r: _spec(r, "PodDisruptionBudget").pop("unhealthyPodEvictionPolicy")),
    ],
    "one_scales": [
        ("two autoscalers", lambda r: r.add(_scale_by("HorizontalPodAutoscaler"))),
        ("sets the number of pods back", lambda r: _spec(r).update(replicas=2)),
        ("scales something else", lambda r: _spec(r, "ScaledObject")["scaleTargetRef"].update(name="other")),
        ("a budget for one pod", lambda r: _spec(r, "ScaledObject").update(minReplicaCount=1)),
        ("nothing says how many", lambda r: r.remove("ScaledObject")),
    ],
    "selectors_match": [
        ("Service selects other", lambda r: _spec(r, "Service")["selector"].update({"app.kubernetes.io/name": "x"})),
        ("Service selects the test", lambda r: _spec(r, "Service")["selector"].pop("app.kubernetes.io/component")),
        ("NetworkPolicy selects other", lambda r: _spec(r, "NetworkPolicy").update(podSelector={"matchLabels": {}})),
        ("Budget selects other", lambda r: _spec(r, "PodDisruptionBudget")["selector"]["matchLabels"].update(app="x")),
        ("another Service", lambda r: r.one("Service")["metadata"].update(labels={})),
        ("the job is not", lambda r: _spec(r, "ServiceMonitor").update(jobLabel="app.kubernetes.io/instance")),
    ],
    "ports_match": [
        ("Service names port", lambda r: _spec(r, "Service")["ports"][0].update(targetPort=8080)),
        ("Probe names port", lambda r: _server(r)["livenessProbe"]["httpGet"].update(port="web")),
        ("NetworkPolicy names", lambda r: _spec(r, "NetworkPolicy")["ingress"][0]["ports"][0].update(port=80)),
        ("on another port", lambda r: _server(r)["ports"][0].update(containerPort=8080)),
        ("the Ingress names", lambda r: _spec(r, "Service")["ports"][0].update(name="web")),
        ("the ServiceMonitor names", lambda r: _spec(r, "ServiceMonitor")["endpoints"][0].update(port="metrics")),
    ],
    "images_are_named": [
        ("runs whatever", lambda r: _server(r).update(image="registry.example:5000/bentorank:latest")),
        ("runs whatever", lambda r: _server(r).update(image="registry.example:5000/bentorank")),
        ("-test runs whatever", lambda r: _spec(r, "Pod")["containers"][0].update(image="python")),
    ],
    "secrets_are_references": [
        ("made of values", lambda r: r.add({"kind": "Secret"})),
        ("HF_TOKEN of", lambda r: _add_env(r, "HF_TOKEN", "x")),
        ("PROXY of", lambda r: _add_env(r, "PROXY", "http://me:secret@proxy")),
        ("BENTORANK_API_KEYS of", lambda r: _add_env(r, "BENTORANK_API_KEYS", "x")),
        ("BENTORANK_CACHE_URL is", lambda r: r.one("ConfigMap")["data"].update(BENTORANK_CACHE_URL="redis://r")),
    ],
    "strangers_need_keys": [
        ("everybody may use", lambda r: _unset(r, "BENTORANK_API_KEYS_FILE", "BENTORANK_METRICS_NEED_KEY")),
        ("read /metrics", lambda r: _unset(r, "BENTORANK_METRICS_NEED_KEY")),
        ("no key for", lambda r: _spec(r, "ServiceMonitor")["endpoints"][0].pop("authorization")),
    ],
    "gpus_are_used": [
        ("image for a CPU", lambda r: _server(r).update(image="bentorank:1.2.3")),
        ("for a GPU, and none", lambda r: _server(r)["resources"]["limits"].pop("nvidia.com/gpu")),
        ("without a word", lambda r: r.one("ConfigMap")["data"].pop("BENTORANK_DEVICE")),
        ("one worker has one", lambda r: _server(r)["resources"]["limits"].update({"nvidia.com/gpu": 2})),
        ("heaps that do not follow", lambda r: _add_env(r, "MALLOC_ARENA_MAX", "2")),
        ("workers that do not follow", lambda r: _add_env(r, "BENTORANK_WORKERS", "1")),
        ("not tolerated", lambda r: _pod(r).pop("tolerations")),
    ],
    "settings_exist": [
        ("no setting", lambda r: r.one("ConfigMap")["data"].update(BENTORANK_MAX_BATCH_TOKEN="1024")),
        ("would not start", lambda r: r.one("ConfigMap")["data"].update(BENTORANK_MAX_DOCUMENTS="5e+02")),
        ("would not start", lambda r: r.one("ConfigMap")["data"].update(BENTORANK_CACHE="false")),
    ],
    "mounts_have_volumes": [
        ("mounts other volumes", lambda r: _pod(r)["volumes"].pop()),
        ("models may be written", lambda r: [mount.pop("readOnly", None) for mount in _server(r)["volumeMounts"]]),
        ("never arrive", lambda r: [mount.update(subPath="api-keys") for mount in _server(r)["volumeMounts"]]),
        ("keys is not mounted", lambda r: _unmount(r, "api-keys")),
        ("the model is not mounted", lambda r: _unmount(r, "models")),
    ],
    "network_lets_through_what_is_needed": [
        ("names cannot", lambda r: _spec(r, "NetworkPolicy")["egress"].pop(0)),
        ("cannot be reached", lambda r: _spec(r, "NetworkPolicy")["egress"].pop()),
        ("every port", lambda r: _spec(r, "NetworkPolicy")["egress"].append({})),
        ("leaves a direction open", lambda r: _spec(r, "NetworkPolicy")["policyTypes"].pop()),
        ("test's pod cannot", lambda r: _spec(r, "NetworkPolicy")["ingress"][0]["from"].pop(0)),
    ],
}


def _unset(rendered: Rendered, *names: str) -> None:
    rendered.server["env"] = [variable for variable in rendered.server["env"] if variable["name"] not in names]
    for name in names:
        rendered.one("ConfigMap")["data"].pop(name, None)


def _unmount(rendered: Rendered, name: str) -> None:
    pod = _pod(rendered)
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != name]
    rendered.server["volumeMounts"] = [mount for mount in rendered.server["volumeMounts"] if mount["name"] != name]
