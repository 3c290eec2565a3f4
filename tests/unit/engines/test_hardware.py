"""What this machine has, told from its device nodes and the environment."""

import pytest

from bentorank.engines.hardware import visible_nvidia_gpus

TWO = ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"]


@pytest.mark.parametrize(
    ("nodes", "visible", "count"),
    [
        ([], None, 0),
        ([], "0,1", 0),
        (["nvidiactl", "nvidia-uvm"], None, 0),
        (TWO, None, 2),
        (["nvidia3", "nvidiactl"], None, 1),
        (["dxg"], None, 1),
        (TWO, "", 0),
        (TWO, "-1", 0),
        (TWO, "1", 1),
        (TWO, " 0, 1 ", 2),
        (TWO, "0,-1,1", 1),
        (TWO, "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,GPU-1c0f", 2),
        (["nvidia0"], "MIG-GPU-8932/1/0,MIG-GPU-8932/2/0", 2),
    ],
)
def test_gpus_are_counted_as_cuda_would(tmp_path, monkeypatch, nodes, visible, count):
    """A container may have one GPU of any number; of a list CUDA takes what stands before the first that is none."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for node in nodes:
        (tmp_path / node).touch()
    assert visible_nvidia_gpus(tmp_path, visible) == count
