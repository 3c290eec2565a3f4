"""Measures a GPU host that has no package registry: `pack` here what it lacks, `run` there.

`run --rehearse` goes through all of it on any machine, with tiny models; its figures mean nothing.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from packaging.requirements import Requirement
from rich.console import Console

from benchmarks.device.packing_up import pack_wheels, read_host, reduce_openvino, requirements_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.device.driving import Timing
    from benchmarks.device.fleet import Fleet
    from benchmarks.device.plan import Load, Trial, Variant
    from benchmarks.device.random_models import Shape
    from benchmarks.device.session import Session

ROOT = Path(__file__).parents[2]
EXTRAS = ("torch", "bench")
TEST_LIMIT_S = 90.0
ENGINES_LIMIT_S = 75.0
STARTS_S = 20.0

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Where to put the wheels and OpenVINO; it is to be new or empty.")],
    installed: Annotated[Path, typer.Option(help="What the host has: lines as `pip freeze` writes them there.")],
    also: Annotated[list[str] | None, typer.Option(help="Packages that travel although the host has them.")] = None,
) -> None:
    """Download for Python 3.12 on Linux what the service and its benchmarks need and the host lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise typer.BadParameter("the folder has files in it", param_hint="FOLDER")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: project["optional-dependencies"][name] for name in EXTRAS}
    wanted = [*requirements_of(extras, project["dependencies"]), *map(Requirement, also or ())]
    host = read_host(installed)
    for name in also or ():
        host.packages.pop(name, None)
    packages = pack_wheels(wanted, host, ROOT / "constraints.txt", folder)
    if "openvino" in packages:
        reduce_openvino(folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{len(packages)} packages, {size / 2**20:.1f} MiB: {' '.join(packages)}")


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the models are and how long each measurement takes."""

    device: str
    shapes: tuple[Shape, ...]
    timing: Timing
    gpu_trials: tuple[Trial, ...]
    cpu_trials: tuple[Trial, ...]
    engines: tuple[Variant, ...]
    engine_s: float
    engine_requests: int
    start_timeout_s: float


@app.command()
def run(
    *,
    out: Annotated[Path, typer.Option(help="Folder of results.json, results.md and the servers' logs.")],
    budget_s: Annotated[float, typer.Option(help="Seconds for everything; what no longer fits is skipped.")] = 220.0,
    only: Annotated[list[str] | None, typer.Option(help="A trial, and the engine of that name; repeatable.")] = None,
    tests: Annotated[str, typer.Option(help="Arguments of a pytest that is to run in the end, such as paths.")] = "",
    rehearse: Annotated[bool, typer.Option(help="Tiny models on the CPU, to see that it runs.")] = False,
) -> None:
    """Measure engine and service on this host's GPU, and the service on its CPU."""
    from benchmarks.device.session import Session  # noqa: PLC0415 - `pack` runs where torch is not

    # Asked to end, as by `timeout`, servers must still be stopped: no session leader dies with its parent.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scale = _scale(rehearse=rehearse)
    if only:
        scale = replace(
            scale,
            gpu_trials=tuple(trial for trial in scale.gpu_trials if trial.name in only),
            cpu_trials=tuple(trial for trial in scale.cpu_trials if trial.name in only),
            engines=tuple(variant for variant in scale.engines if variant.name in only),
        )
    session = Session(out, budget_s, Console(soft_wrap=True, width=200))
    with tempfile.TemporaryDirectory() as folder:
        _measure(session, scale, Path(folder), tests)


def _scale(*, rehearse: bool) -> Scale:
    from benchmarks.device.driving import FULL, SHORT  # noqa: PLC0415
    from benchmarks.device.plan import CPU_TRIALS, ENGINES, GPU_TRIALS, few  # noqa: PLC0415
    from benchmarks.device.random_models import SHAPES, TINY_SHAPES  # noqa: PLC0415

    if not rehearse:
        return Scale("cuda", SHAPES, FULL, GPU_TRIALS, CPU_TRIALS, ENGINES, 1.0, 40, 150.0)
    # Inherited by every process; a trial on the CPU says otherwise.
    os.environ |= {"BENTORANK_ENGINE": "torch", "BENTORANK_DEVICE": "cpu"}
    return Scale("cpu", TINY_SHAPES, SHORT, few(GPU_TRIALS), few(CPU_TRIALS)[:1], ENGINES, 0.2, 1, 300.0)


def _measure(session: Session, scale: Scale, folder: Path, tests: str) -> None:
    from benchmarks.device.fleet import contender_of, started, unknown_settings  # noqa: PLC0415
    from benchmarks.device.report import as_markdown  # noqa: PLC0415
    from benchmarks.harness.machine import describe_machine  # noqa: PLC0415

    session.step("machine", 0, lambda: asdict(describe_machine()))
    models, bodies = folder / "models", folder / "bodies"
    bodies.mkdir()
    # Of the servers and of the engine alone, which takes what they have compiled.
    os.environ["BENTORANK_CACHE_DIR"] = str(folder / "cache")
    session.step("models", 0, lambda: _write_models(scale, models))
    trials = [
        trial for trial in (*scale.gpu_trials, *scale.cpu_trials) if not _is_strange(session, trial, unknown_settings)
    ]
    contenders = [contender_of(trial, models) for trial in trials]
    with started(contenders, scale.start_timeout_s) as fleet:
        session.step("starts", 0, fleet.wait)
        session.step("GPU memory", 0, _gpu_memory)
        try:
            _measure_all(session, scale, trials, fleet, folder)
            if tests:
                session.step("tests", STARTS_S, lambda: _run_tests(shlex.split(tests), models, session.left_s))
        finally:
            _keep_logs(fleet, trials, session.out)
            session.write()
            markdown = as_markdown(session.results)
            (session.out / "results.md").write_text(markdown + "\n", encoding="utf-8")
            print(markdown)


def _is_strange(session: Session, trial: Trial, unknown_settings: Any) -> bool:  # noqa: ANN401 - a function
    """Whether it sets what this version does not have, which is told and the trial left out."""
    strange = unknown_settings(trial.settings)
    if strange:
        session.results["failed"][trial.name] = f"no such setting: {', '.join(strange)}"
    return bool(strange)


def _measure_all(session: Session, scale: Scale, trials: list[Trial], fleet: Fleet, folder: Path) -> None:
    """The first server, the engine alone, then the others."""
    for number, trial in enumerate(trials):
        for load in trial.loads:
            _measure_load(session, scale, fleet, trial, load, folder / "bodies")
        if number == 0:
            session.step("engine alone", STARTS_S, lambda: _engines(session, scale, folder / "models"))


def _measure_load(  # noqa: PLR0913, PLR0917 - what a step needs
    session: Session, scale: Scale, fleet: Fleet, trial: Trial, load: Load, bodies: Path
) -> None:
    from benchmarks.device.driving import drive  # noqa: PLC0415

    session.step(
        f"{trial.name}: {load}",
        scale.timing.total_s,
        lambda: drive(fleet.server(trial.name), load, scale.timing, bodies),
    )


def _write_models(scale: Scale, folder: Path) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    from benchmarks.device.random_models import write_model  # noqa: PLC0415

    device = torch.device(scale.device)
    written = {shape.name: write_model(shape, folder / shape.name, device) for shape in scale.shapes}
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return written


def _engines(session: Session, scale: Scale, models: Path) -> dict[str, Any]:
    """A line for each variant, as many as came in time."""
    from benchmarks.device.fleet import unknown_settings  # noqa: PLC0415
    from benchmarks.device.plan import GRAPHS  # noqa: PLC0415

    variants = [
        {
            "name": variant.name,
            "settings": {"BENTORANK_MODEL": str(models / variant.model), **variant.settings},
            "tokenising": variant.model == "starter" and GRAPHS not in variant.settings,
            "shares": variant.shares,
        }
        for variant in scale.engines
        if not unknown_settings(variant.settings)
    ]
    limit_s = min(ENGINES_LIMIT_S, session.left_s)
    command = [sys.executable, "-m", "benchmarks.device.engine_alone", f"--seconds={scale.engine_s}"]
    try:
        lines = subprocess.run(
            [*command, f"--requests={scale.engine_requests}"],
            input=orjson.dumps(variants),
            stdout=subprocess.PIPE,
            timeout=limit_s,
            check=True,
        ).stdout
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        if not (lines := error.stdout):
            raise
    found = [orjson.loads(line) for line in lines.splitlines() if line.startswith(b'{"name"') and line.endswith(b"}")]
    return {one.pop("name"): one for one in found}


def _run_tests(arguments: list[str], models: Path, left_s: float) -> dict[str, Any]:
    """What pytest says at its end; a checkout that came without weights has random ones meanwhile."""
    with _some_weights(models):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=min(TEST_LIMIT_S, left_s),
            check=False,
        )
    lines = done.stdout.strip().splitlines()[-30:]
    print("\n".join(lines))
    return {"status": done.returncode, "output": lines}


@contextmanager
def _some_weights(models: Path) -> Iterator[None]:
    shipped = ROOT / "models" / "starter" / "model.safetensors"
    if shipped.exists():
        yield
        return
    shipped.symlink_to(models / "starter" / "model.safetensors")
    try:
        yield
    finally:
        shipped.unlink()


def _gpu_memory() -> list[str]:
    """Of each process on a GPU, as nvidia-smi tells it; empty where there is none."""
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.splitlines()
    except FileNotFoundError:
        return []


def _keep_logs(fleet: Fleet, trials: list[Trial], out: Path) -> None:
    """One file, each server's last lines under its name."""
    parts = []
    for trial in trials:
        try:
            log = fleet.server(trial.name).log().decode(errors="replace")[-20_000:]
        except Exception as error:  # noqa: BLE001 - why it did not start is its log
            log = str(error)
        parts.append(f"===== {trial.name}\n{log}\n")
    (out / "servers.log").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    app()
