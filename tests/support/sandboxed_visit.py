"""Runs inside the sandbox: starts the server that the command line names, asks it, stops it, and tells as JSON."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PORT = 3000  # alone in its network, so that it is free
READY_WITHIN_S = 90
QUESTION = {"query": "how tall is mount everest", "documents": ["Bread.", "Mount Everest is 8,849 m tall."]}


def answer(path: str, body: object = None) -> tuple[int, bytes]:
    """Status and body; 0 where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{path}", data, {"content-type": "application/json", "connection": "close"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def wait_for(path: str, status: int, within_s: float) -> bool:
    """Whether a GET came to be answered so."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if answer(path)[0] == status:
            return True
        time.sleep(0.05)
    return False


def sent_outside() -> int:
    """How many packets for other machines this network has seen; the only route in it leads to itself."""
    lines = Path("/proc/net/snmp").read_text().splitlines()
    counters = {
        head.split()[0] + name: int(value)
        for head, values in zip(lines[::2], lines[1::2], strict=True)
        for name, value in zip(head.split()[1:], values.split()[1:], strict=True)
    }
    ipv6 = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    # Names are looked up over UDP, be it at a resolver on this machine.
    return counters["Ip:OutNoRoutes"] + counters["Udp:OutDatagrams"] + int(ipv6["Ip6OutNoRoutes"])


def rights() -> list[dict[str, str]]:
    """Of every process here: its user, its capabilities, and whether it may gain more."""
    wanted = ("Name", "Uid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs")
    statuses = [file.read_text().splitlines() for file in Path("/proc").glob("[0-9]*/status")]
    everyone = [dict(line.split(":\t", 1) for line in lines if ":\t" in line) for lines in statuses]
    return [{name: process[name] for name in wanted} for process in everyone if "bwrap" not in process["Name"]]


def may_write_to(folder: str) -> bool:
    """Whether the sandbox is none."""
    try:
        Path(folder, "probe").touch()
    except OSError:
        return False
    return True


def main() -> None:
    """One visit."""
    server = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    told: dict[str, object] = {"ready": wait_for("/readyz", 200, READY_WITHIN_S)}
    told["ranking"] = json.loads(answer("/rerank", QUESTION)[1] or b"{}")
    told["rights"] = rights()
    server.send_signal(signal.SIGTERM)
    told["drains"] = wait_for("/readyz", 503, within_s=5)
    told["status_while_draining"] = answer("/rerank", QUESTION)[0]
    told["exit"] = server.wait(40)
    told["sent_outside"] = sent_outside()
    with socket.socket() as probe:
        told["could_reach_outside"] = probe.connect_ex(("192.0.2.1", 9)) == 0
    told["sent_outside_when_tried"] = sent_outside()
    told["writable"] = [folder for folder in ("/", "/etc", "/tmp", str(Path.cwd())) if may_write_to(folder)]
    print(json.dumps(told))  # noqa: T201 - to whoever made the sandbox


if __name__ == "__main__":
    main()
