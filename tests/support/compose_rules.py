"""What must hold of deploy/compose: each rule tells, in words, what breaks it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentorank.settings import Settings
from bentorank.wiring import stop_within_s

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUBLISHED = {("bentorank", "127.0.0.1:3000:3000"), ("grafana", "127.0.0.1:3001:3000")}
INTERNAL = {"redis", "prometheus"}
PINNED = re.compile(r".+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?")
PASSWORD_IN_URL = re.compile(r"://[^/\s]*:[^/\s]+@")
_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Project:
    """A compose file as compose reads it, and the folder that its paths start from."""

    model: dict[str, Any]
    folder: Path

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """By name."""
        return self.model["services"]


def bytes_of(size: str) -> int:
    """`384m`, `2g`, `256mb`."""
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", size.lower()).groups()
    return int(number) * _BYTES[unit]


def seconds_of(duration: str) -> float:
    """`45s`, `1m30s`."""
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))


def unlimited(project: Project) -> Iterator[str]:
    """Every service has a share of the host, and no more."""
    for name, service in project.services.items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        for what in {"cpus", "memory", "pids"} - limits.keys():
            yield f"{name} may use any number of {what}"
        options = service.get("logging", {}).get("options", {})
        if not {"max-size", "max-file"} <= options.keys():
            yield f"the log of {name} may fill the disk"


def powerful(project: Project) -> Iterator[str]:
    """No service has rights that it does not need."""
    for name, service in project.services.items():
        user = str(service.get("user", "0")).split(":")[0]
        if not user.isdigit() or int(user) == 0:
            yield f"{name} runs as root"
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
            yield f"{name} has capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name} may gain privileges"
        if not service.get("read_only"):
            yield f"{name} may write to its root file system"
        for key in {"privileged", "devices", "network_mode", "pid", "ipc", "userns_mode"} & service.keys():
            yield f"{name} has {key}"
        if any("docker.sock" in str(mount) for mount in service.get("volumes", [])):
            yield f"{name} rules the engine"


def published(project: Project) -> Iterator[str]:
    """Two ports can be reached, from this host alone."""
    ports = {(name, port) for name, service in project.services.items() for port in service.get("ports", [])}
    for name, port in ports ^ PUBLISHED:
        yield f"{name} publishes {port}, or ought to"
    for name, port in ports:
        host, _, rest = str(port).rpartition(":")[0].rpartition(":")
        if not rest or not host or not ipaddress.ip_address(host).is_loopback:
            yield f"{name} can be reached from other hosts"


def reachable(project: Project) -> Iterator[str]:
    """Redis and Prometheus are on networks without a way out."""
    internal = {name for name, network in project.model["networks"].items() if (network or {}).get("internal")}
    for name in INTERNAL:
        for network in set(project.services[name].get("networks", ["default"])) - internal:
            yield f"{name} is on {network}, which is not internal"


def unpinned(project: Project) -> Iterator[str]:
    """Every image has one exact version."""
    for name, service in project.services.items():
        if not PINNED.fullmatch(service["image"]):
            yield f"{name} runs whatever {service['image']} is that day"


def unattended(project: Project) -> Iterator[str]:
    """Every service is asked how it is, is started again, and has its time to stop."""
    for name, service in project.services.items():
        check = service.get("healthcheck", {})
        if not {"test", "interval", "timeout", "retries", "start_period"} <= check.keys():
            yield f"{name} has no health check with all its bounds"
        if service.get("restart") != "unless-stopped":
            yield f"{name} is not started again"
        if "stop_grace_period" not in service:
            yield f"{name} is killed after ten seconds, whatever it does"
        for other, condition in _dependencies(service):
            if other not in project.services or "condition" not in condition:
                yield f"{name} depends on {other} without a condition"


def _dependencies(service: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    depends = service.get("depends_on", {})
    return list(depends.items()) if isinstance(depends, dict) else [(other, {}) for other in depends]


def impatient(project: Project) -> Iterator[str]:
    """bentorank has the time that its own settings need to stop."""
    service = project.services["bentorank"]
    prefix = "BENTORANK_"
    timing = {f"{prefix}REQUEST_TIMEOUT_S", f"{prefix}DRAIN_S"}
    values = {name.removeprefix(prefix).lower(): service["environment"].get(name) for name in timing}
    if None in values.values():
        yield "what makes the grace period can be set elsewhere"
        return
    needed_s = stop_within_s(Settings(**values))
    grace_s = seconds_of(service["stop_grace_period"])
    if grace_s != needed_s:
        yield f"bentorank needs {needed_s:g} s to stop, and has {grace_s:g}"
    if service["deploy"].get("update_config", {}).get("order") != "start-first":
        yield "an update stops before it starts"


def unknown_settings(project: Project) -> Iterator[str]:
    """Every BENTORANK_ variable is a setting, or no service starts."""
    known = {f"BENTORANK_{field.upper()}" for field in Settings.model_fields}
    for service in project.services.values():
        for name in service.get("environment", {}):
            if name.startswith("BENTORANK_") and name not in known:
                yield f"{name} is no setting"


def indiscreet(project: Project) -> Iterator[str]:
    """No password stands in the file, and none is one that everybody knows."""
    for name, service in project.services.items():
        for variable, value in service.get("environment", {}).items():
            if str(value).lower() in {"admin", "password", "changeme", "secret"}:
                yield f"{name} has a {variable} that everybody knows"
            if PASSWORD_IN_URL.search(str(value)):
                yield f"{name} has a password in {variable}"
        for word in service.get("command", []):
            if re.search(r"requirepass|password", word):
                yield f"{name} has a password in its command"


def absent_files(project: Project) -> Iterator[str]:
    """What is mounted from this host exists, cannot be written to, and is not made where it is missing."""
    for name, service in project.services.items():
        for mount in service.get("volumes", []):
            if isinstance(mount, str):
                if mount.split(":")[0] not in project.model["volumes"]:
                    yield f"{name} mounts {mount}, which is no named volume"
                continue
            if not (project.folder / mount["source"]).is_dir():
                yield f"{name} mounts {mount['source']}, which is no folder: of a file, later changes are not seen"
            if not mount.get("read_only") or mount.get("bind", {}).get("create_host_path") is not False:
                yield f"{name} may write to {mount['source']}, or makes it"
        for secret in service.get("secrets", []):
            if secret not in project.model["secrets"]:
                yield f"{name} has a secret {secret} that there is none of"


def cramped_cache(project: Project) -> Iterator[str]:
    """Redis evicts before the kernel kills it."""
    text = (project.folder / "redis" / "redis.conf").read_text(encoding="utf-8")
    directives = dict(line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    limit = bytes_of(project.services["redis"]["deploy"]["resources"]["limits"]["memory"])
    if limit < 1.5 * bytes_of(directives["maxmemory"]):
        yield "Redis is killed before maxmemory"
    if not directives["maxmemory-policy"].startswith("allkeys-"):
        yield "a full Redis refuses to remember"
    if (directives["save"], directives["appendonly"]) != ('""', "no"):
        yield "Redis writes to a disk"


RULES = {
    rule.__name__: rule
    for rule in (
        unlimited,
        powerful,
        published,
        reachable,
        unpinned,
        unattended,
        impatient,
        unknown_settings,
        indiscreet,
        absent_files,
        cramped_cache,
    )
}
