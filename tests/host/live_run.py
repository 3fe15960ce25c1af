# SPDX-License-Identifier: Apache-2.0
"""`custodes live` as a process between two namespaces, and what client and server do on both sides of it."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from custodes.flow_table import FLOWS
from custodes.link import Ingress, Outcome
from custodes.model.checksum import checksum
from custodes.model.entropy import Words
from custodes.model.warden import Warden
from custodes.policy import Policy
from custodes.registers import FLOW_ALARM, FLOW_CONTROL, FLOWS_IN_USE, FLOWS_REGISTER, TICK
from custodes.seed_registers import SEED, SEED_BYTES, WORD_LIMIT
from custodes.simlink import library_path
from tests.host.fake import FakeLink
from tests.host.program import python
from tests.host.wires import Cables, Namespace

MAIN = "from custodes.cli import main; main()"
SPECIFICATION = """
import sys
import custodes.device
from pathlib import Path
from custodes.policy import load_policy
from tests.host.live_run import SpecificationLink
policy = Path(sys.argv[sys.argv.index("--policy") + 1])
custodes.device.open_link = lambda *_: SpecificationLink(load_policy(policy))
"""
"""In place of the device, its specification."""
DEVICES = ["specification", "1 lane", "8 lanes"]
WAIT_S = 300
"""A simulated device with one lane moves 1 MB in 5 s, but on a busy machine far slower."""


class SpecificationLink(FakeLink):
    """The whole warden, of its specification."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._warden = Warden(policy)
        self._seed = bytearray(SEED_BYTES)

    def write(self, address: int, value: int) -> None:
        if (address, value) == (FLOW_CONTROL, TICK):
            self._warden.tick()
        elif 0 <= address - SEED < SEED_BYTES // 4:
            at = 4 * (address - SEED)
            self._seed[at : at + 4] = value.to_bytes(4)
        elif address == WORD_LIMIT:
            self._warden.words = Words(bytes(self._seed), value)

    def read(self, address: int) -> int:
        flows = {FLOWS_REGISTER: FLOWS, FLOWS_IN_USE: self._warden.flows, FLOW_ALARM: 0}
        return flows[address] if address in flows else super().read(address)

    def exchange(self, frames: Sequence[Ingress]) -> list[Outcome]:
        results = [self._warden.pass_frame(sent.frame, sent.port, sent.error) for sent in frames]
        return [Outcome(result.frame, result.reason, result.altered) for result in results]


class Live:
    """The command, that bridges."""

    def __init__(self, program: subprocess.Popen[str], said: list[str]) -> None:
        self.program = program
        self.said = said
        """Lines on stderr until it bridged, the last one says so."""

    def end(self, number: signal.Signals | None = signal.SIGINT) -> tuple[int, str, str]:
        """Send the signal, and give exit code, what was printed, and what was said on stderr since it bridged."""
        if number:
            self.program.send_signal(number)
        output, errors = self.program.communicate(timeout=WAIT_S)
        return self.program.returncode, output, errors

    def report(self) -> dict[str, Any]:
        """End it as Ctrl-C does; what it prints with --json."""
        code, output, errors = self.end()
        assert code == 130 and errors.startswith("custodes: stopped after") and errors.count("\n") == 1
        return json.loads(output)


def arguments(cables: Cables, directory: Path, device: str) -> tuple[str, list[str]]:
    """The program, and its arguments but for more options."""
    policy = directory / "policy.toml"
    policy.write_text(cables.policy())
    sides = ["live", "--cluster", "inner", "--world", "outer", "--policy", str(policy)]
    if device == "specification":
        return SPECIFICATION + MAIN, [*sides, "--lanes", "1"]
    lanes = device.split()[0]
    if not library_path("warden", int(lanes)).exists():
        pytest.skip(f"sim:warden with {device} is not built")
    return MAIN, [*sides, "--lanes", lanes]


@contextmanager
def bridged(cables: Cables, directory: Path, device: str, *options: str, **process: Any) -> Iterator[Live]:
    """The command, from when it bridges; it is killed at the end of the block where it still runs."""
    code, words = arguments(cables, directory, device)
    with cables.between.inside():
        program = python(code, *words, *options, **({"stdout": subprocess.PIPE} | process))
    try:
        yield Live(program, _until_it_bridges(program.stderr))
    finally:
        program.kill()
        program.communicate()


def _until_it_bridges(stderr: IO[str] | None) -> list[str]:
    assert stderr is not None
    said = [stderr.readline()]
    while not said[-1].startswith("bridging"):
        assert said[-1], f"it ended: {said}"
        said.append(stderr.readline())
    return said


@contextmanager
def served(namespace: Namespace, port: int, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Let ``answer`` have every connection to a TCP port, over IPv4 and IPv6, one after the other."""
    with namespace.inside():
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(WAIT_S)
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def connect(namespace: Namespace, host: str, port: int) -> socket.socket:
    """A connection out of a namespace."""
    with namespace.inside():
        return socket.create_connection((host, port), WAIT_S)


def ping(namespace: Namespace, host: str, sequence: int, payload: bytes = bytes(56), timeout: float = WAIT_S) -> bool:
    """Whether an echo request is answered."""
    six = ":" in host
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    request, reply = (128, 129) if six else (8, 0)
    rest = struct.pack("!HH", 0x1234, sequence) + payload
    message = bytes((request, 0, 0, 0)) + rest
    if not six:
        message = message[:2] + checksum(message).to_bytes(2) + rest
    with namespace.inside(), socket.socket(family, socket.SOCK_RAW, protocol) as icmp:
        icmp.settimeout(timeout)
        icmp.connect((host, 0))
        icmp.send(message)
        try:
            while True:
                packet = icmp.recv(1 << 16)
                answer = packet if six else packet[(packet[0] & 15) * 4 :]
                if answer[0] == reply and answer[6:] == rest[2:]:
                    return True
        except TimeoutError:
            return False
