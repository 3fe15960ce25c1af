# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces joined by one veth pair, and programs that run inside them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PORT = "lan0"
"""Name of the veth end in each namespace; it says nothing about the machine."""
TAGGED_PORT = "lan0.42"
VID = 42
LOSSY_LENGTH_BYTES = 400
"""TCP frames at least this long can be lost: data, but no handshake."""
OFFLOADS = ("tx", "rx", "sg", "tso", "gso", "gro", "lro", "rxvlan", "txvlan")
HERE = Path(__file__).parent


class RecordingError(Exception):
    """A program of the recording failed; the message is one line for the user."""


@dataclass(frozen=True)
class Host:
    """One end of the wire.

    Parameters: `name` is also its UTS hostname, `namespace` the unique name of its network namespace, `number` tells
    its addresses from those of the other host, `priority` is the PCP of the frames it tags.
    """

    name: str
    namespace: str
    number: int
    priority: int

    @property
    def mac(self) -> str:
        return f"02:00:00:00:00:{self.number:02x}"

    @property
    def tagged_mac(self) -> str:
        return f"02:00:00:00:42:{self.number:02x}"

    @property
    def ip4(self) -> str:
        return f"192.0.2.{self.number}"

    @property
    def ip6(self) -> str:
        return f"2001:db8::{self.number}"

    @property
    def tagged_ip4(self) -> str:
        return f"192.0.2.{128 + self.number}"

    @property
    def tagged_ip6(self) -> str:
        return f"2001:db8:0:42::{self.number}"

    def command(self, *words: str | Path) -> list[str]:
        """The words, to be run in this host's network namespace and under its hostname."""
        become = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name)
        return ["ip", "netns", "exec", self.namespace, *become, *map(str, words)]


class Program:
    """A program that runs until `stop`; its output goes to a log in the directory."""

    def __init__(self, directory: Path, words: Sequence[str]) -> None:
        self._log = directory / f"{uuid.uuid4().hex}.log"
        with self._log.open("w") as log:
            # Its own process group: `stop` has to reach the children too, and Ctrl-C must leave it to the clean-up.
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(directory),
                start_new_session=True,
            )

    def said(self, text: str) -> bool:
        """Whether the text is in the log; a program that has ended is an error."""
        if self._process.poll() is not None:
            raise RecordingError(f"a program ended early: {' '.join(self.log().split())}")
        return text in self.log()

    def log(self) -> str:
        """What the program has printed so far."""
        return self._log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the program and its children; a program that already ended is fine."""
        for each in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, each)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
                return


class World:
    """The two hosts, the wire and everything started on it; `with` removes it all, also after an error."""

    def __init__(self) -> None:
        unique = uuid.uuid4().hex[:8]
        self.client = Host("client", f"client-{unique}", 1, 0)
        self.server = Host("server", f"server-{unique}", 2, 5)
        self.hosts = (self.client, self.server)
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> World:
        try:
            self.directory = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="captures-")))
            # Programs that give up root still have to reach their files.
            self.directory.chmod(0o755)
            for host in self.hosts:
                # First the undoing: Ctrl-C may come between any two lines.
                self._undo.callback(self._call, ["ip", "netns", "del", host.namespace], ok=(0, 1))
                self._call(["ip", "netns", "add", host.namespace])
            # Both ends are made inside: the machine's own namespace never sees them.
            ends = [
                f"{PORT} address {host.mac} netns {host.namespace} {kind}".split()
                for host, kind in ((self.client, "type veth peer name"), (self.server, ""))
            ]
            self._call(["ip", "link", "add", *ends[0], *ends[1]])
            for host in self.hosts:
                self._set_up(host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not cut the clean-up short.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._undo.close()
        finally:
            signal.signal(signal.SIGINT, before)

    def run(self, host: Host, *words: str | Path, ok: Sequence[int] = (0,)) -> str:
        """Run a program to its end and return what it printed; an exit code outside `ok` is an error."""
        return self._call(host.command(*words), ok)

    def start(self, host: Host, *words: str | Path) -> Program:
        """Start a program that runs until it is stopped, at the latest by the end of the world."""
        program = Program(self.directory, host.command(*words))
        self._undo.callback(program.stop)
        return program

    @contextlib.contextmanager
    def tap(self, host: Host, path: Path) -> Iterator[None]:
        """Record every frame at the host's end of the wire, with nanosecond time, into a pcap file."""
        how = ("--time-stamp-precision=nano", "--immediate-mode", "-s", "0", "-B", "8192", "-U", "-n", "-Z", "root")
        program = self.start(host, "tcpdump", "-i", PORT, *how, "-w", path)
        wait_until(lambda: program.said("listening on"), "tcpdump listens")
        yield
        time.sleep(1)  # the last frames reach tcpdump after the program that caused them has ended
        program.stop(signal.SIGINT)
        if "\n0 packets dropped by kernel" not in program.log():
            raise RecordingError(f"tcpdump lost frames: {' '.join(program.log().split())}")

    def plug_in(self) -> None:
        """Give the wire a carrier and wait until all addresses are usable."""
        self.run(self.server, "ip", "link", "set", PORT, "up")
        for host in self.hosts:
            self._tag(host)
        for host in self.hosts:
            wait_until(
                lambda host=host: not self.run(host, "ip", "-6", "address", "show", "tentative"),
                "IPv6 addresses are known to be unique",
            )

    def listens(self, host: Host, port: int) -> None:
        """Wait until something listens on the TCP or UDP port."""
        wait_until(
            lambda: bool(self.run(host, "ss", "-Hltun", "sport", "=", f":{port}")), f"{host.name} listens on {port}"
        )

    def lose_data(self, host: Host) -> None:
        """Lose one in sixteen long TCP frames on arrival at the host.

        A classic BPF filter on ingress: loss at the sender's own queue is reported to its TCP and makes no gap, and
        netem is missing from many small kernels.
        """
        program = (
            (0x80, 0, 0, 0),  # 0: length
            (0x35, 0, 10, LOSSY_LENGTH_BYTES),  # shorter: 12
            (0x28, 0, 0, 12),  # 2: EtherType
            (0x15, 0, 2, 0x0800),  # not IPv4: 6
            (0x30, 0, 0, 14 + 9),
            (0x15, 3, 6, 6),  # TCP: 9, else: 12
            (0x15, 0, 5, 0x86DD),  # 6: not IPv6: 12
            (0x30, 0, 0, 14 + 6),
            (0x15, 0, 3, 6),  # not TCP: 12
            (0x20, 0, 0, 0xFFFFF038),  # 9: random number
            (0x35, 0, 1, 0xF0000000),  # below: 12
            (0x06, 0, 0, 2),  # 11: TC_ACT_SHOT
            (0x06, 0, 0, 0),  # 12: TC_ACT_OK
        )
        code = ",".join([str(len(program)), *(" ".join(map(str, line)) for line in program)])
        self.run(host, "tc", "qdisc", "add", "dev", PORT, "clsact")
        self.run(host, "tc", "filter", "add", "dev", PORT, "ingress", "bpf", "da", "bytecode", code)

    def _set_up(self, host: Host) -> None:
        for setting in ("ipv4.tcp_fastopen=3", "ipv4.tcp_ecn=1"):
            self.run(host, "sysctl", "-q", "-w", f"net.{setting}")
        for offload in OFFLOADS:
            # Without them the tap sees what a cable would carry: whole checksums, tags in place, no giant frames.
            self.run(host, "ethtool", "-K", PORT, offload, "off", ok=(0, 1))
        self.run(host, "ip", "link", "set", "lo", "up")
        self.run(host, "ip", "address", "add", f"{host.ip4}/25", "dev", PORT)
        self.run(host, "ip", "address", "add", f"{host.ip6}/64", "dev", PORT)
        if host is self.client:
            # tcpdump wants the port up; there is no carrier before the server's end is up too.
            self.run(host, "ip", "link", "set", PORT, "up")

    def _tag(self, host: Host) -> None:
        tagger = self.start(host, sys.executable, HERE / "vlan.py", PORT, TAGGED_PORT, str(VID), str(host.priority))
        wait_until(lambda: tagger.said("ready"), "the VLAN port exists")
        self.run(host, "ip", "link", "set", TAGGED_PORT, "address", host.tagged_mac, "up")
        self.run(host, "ip", "address", "add", f"{host.tagged_ip4}/25", "dev", TAGGED_PORT)
        self.run(host, "ip", "address", "add", f"{host.tagged_ip6}/64", "dev", TAGGED_PORT)

    def _call(self, words: Sequence[str], ok: Sequence[int] = (0,), timeout_s: float = 60) -> str:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                env=_environment(self.directory),
            )
        except subprocess.TimeoutExpired as error:
            raise RecordingError(f"still running after {timeout_s} s: {' '.join(words)}") from error
        if done.returncode not in ok:
            told = " ".join((done.stderr or done.stdout).split())
            raise RecordingError(f"exit code {done.returncode}: {' '.join(words)}: {told}")
        return done.stdout


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = 15) -> None:
    """Wait until the call says true."""
    until = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > until:
            raise RecordingError(f"waited {timeout_s} s until {what}")
        time.sleep(0.1)


def _environment(directory: Path) -> dict[str, str]:
    # The user's own settings (proxies, language, configuration files) must neither disturb the traffic nor show in it.
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": str(directory)}
