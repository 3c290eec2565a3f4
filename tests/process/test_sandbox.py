"""The least that the service needs of a machine: no rights, three folders, no network."""

import pytest
from support.sandbox import UID, WRITABLE, needs_bubblewrap, visit_in_sandbox
from support.server import BIN

pytestmark = [pytest.mark.process, needs_bubblewrap]


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """The shipped model, started, asked and stopped in the sandbox."""
    home = tmp_path_factory.mktemp("sandbox")
    return home, visit_in_sandbox(home, [str(BIN / "bentorank"), "serve"], drain_s=1)


def test_it_starts_ranks_and_drains_without_rights(visit):
    """As a user that nobody has, with no capability and no way to gain one."""
    _, told = visit
    assert told["ready"], told["log"]
    assert [result["index"] for result in told["ranking"]["results"]] == [1, 0]
    assert told["drains"]
    assert told["status_while_draining"] == 200
    assert told["exit"] == 0
    assert len(told["rights"]) >= 3  # the visitor, the supervisor, the worker
    for process in told["rights"]:
        assert process["Uid"].split() == [str(UID)] * 4
        assert {int(process[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert process["NoNewPrivs"] == "1"


def test_it_writes_to_three_folders_alone(visit):
    """All else is read-only; nothing complains of that, and nothing is left of what was temporary."""
    home, told = visit
    assert told["writable"] == []
    assert "Read-only" not in told["log"]
    assert "Permission" not in told["log"]
    assert {path.name for path in home.iterdir()} == set(WRITABLE)
    assert list((home / "tmp").iterdir()) == []
    assert list((home / "cache").iterdir()) == []


def test_it_sends_nothing_to_other_machines(visit):
    """Counted by the kernel: no packet that has nowhere to go, and no name looked up; a first attempt is counted."""
    _, told = visit
    assert told["sent_outside"] == 0
    assert not told["could_reach_outside"]
    assert told["sent_outside_when_tried"] > 0
