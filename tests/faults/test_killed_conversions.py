"""A server that is killed while it converts its model: the conversion ends with it, and leaves nothing behind."""

import os
import signal

import psutil
import pytest
from support.server import Server, running_server, wait_until
from support.tiny_folders import tiny_models

pytestmark = [pytest.mark.process, pytest.mark.fault]

# The kernel does it at once; a conversion lasts longer even of so small a model.
GONE_WITHIN_S = 5


def conversions(pid):
    """The processes below it that convert."""
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if "bentorank.engines.openvino.conversion" in child.cmdline()]


def has_torch(process):
    """Whether a conversion is well on its way."""
    return any("libtorch" in each.path for each in process.memory_maps())


def test_a_killed_server_leaves_no_conversion_behind(tmp_path):
    """Killed with its worker and then started again, it converts anew, alone, and clears away what was begun."""
    tiny_models().build_bert(tmp_path / "model")
    settings = {"model": tmp_path / "model", "engine": "openvino"}
    server = Server(tmp_path, **settings)
    try:
        wait_until(lambda: conversions(server.pid))
        (conversion,) = conversions(server.pid)
        wait_until(lambda: has_torch(conversion))
        for pid in (server.pid, *server.worker_pids):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not conversion.is_running(), within_s=GONE_WITHIN_S)
    finally:
        server.kill()
    kept = tmp_path / "cache" / "openvino"
    (begun,) = (path for path in kept.iterdir() if path.is_dir())
    with running_server(tmp_path, **settings):
        (converted,) = (path for path in kept.iterdir() if path.is_dir())
        assert begun.name.startswith(f"{converted.name}.")
        assert (converted / "model.xml").exists()
