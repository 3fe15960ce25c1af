# SPDX-License-Identifier: Apache-2.0
"""`custodes counters`: of every kind of device, once and again and again."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from custodes.device import COUNTER_NAMES, Warden
from custodes.link import Ingress, Link
from custodes.macsec import Side
from custodes.processor import Processor
from custodes.seeds import KNOWN_SEED
from custodes.table import Port
from tests.host.fake import PING, FakeLink
from tests.host.fake_nic import FakeNic
from tests.host.fake_processor import START_COUNT, START_OCTETS, FakeProcessor, keys, plain
from tests.host.program import python
from tests.host.test_provision_commands import custodes, fails

Install = Callable[[Link], Link]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the link given be what every name opens."""

    def install(link: Link) -> Link:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    return install


def found(*options: object) -> dict[str, int]:
    return json.loads(custodes("counters", "--json", *options).stdout)["counters"]


def loaded(link: FakeProcessor | FakeNic) -> FakeProcessor | FakeNic:
    """With one association in each direction, and two frames sealed."""
    Processor(link).load(keys())
    link.exchange([Ingress(Side.ACCELERATOR, plain(60))] * 2 + [Ingress(Side.ACCELERATOR, plain(13))])
    return link


def test_of_a_warden(device: Install) -> None:
    link = FakeLink()
    Warden(link).seed(KNOWN_SEED)
    device(link)
    before = found()
    link.exchange([Ingress(Port.CLUSTER, PING)])
    after = found()
    assert set(after) == set(COUNTER_NAMES.values())
    rises = {name: (after[name] - before[name]) % (1 << 32) for name in after}
    altered = {"cluster ipv4_id", "cluster icmp_id_seq"}
    assert {name for name, rise in rises.items() if rise} == {"cluster FORWARDED", *altered}


@pytest.mark.parametrize("make", [FakeProcessor, FakeNic])
def test_of_sessions(device: Install, make: Callable[[], FakeProcessor | FakeNic]) -> None:
    device(loaded(make()))
    counters = found()
    wrapped = (START_COUNT + 2) % (1 << 32)
    assert counters["transmit 0 AN 1 OutPktsEncrypted"] == wrapped
    assert counters["transmit 0 AN 1 OutOctetsEncrypted"] == (START_OCTETS + 2 * 48) % (1 << 64)
    assert counters["transmit OutPktsTooShort"] == 0
    assert counters["receive 0 AN 1 InPktsOK"] == START_COUNT
    assert not any("AN 0" in name for name in counters)
    everything = found("--all")
    assert everything.items() >= counters.items() and "receive 15 AN 3 InPktsLate" in everything


def test_text_leaves_out_what_is_0(device: Install) -> None:
    device(loaded(FakeNic()))
    text = custodes("counters").stdout
    assert "transmit 0 AN 1 OutPktsEncrypted" in text and "4,294,967,295" in text
    assert "transmit OutPktsTooShort" not in text
    assert "transmit OutPktsTooShort" in custodes("counters", "--all").stdout


def test_watch_prints_a_line_per_interval(device: Install) -> None:
    link = loaded(FakeNic())
    device(link)
    options = ("--watch", "--interval", "0.05", "--count", "3")
    result = custodes("counters", *options)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 3 and lines[0].startswith("0.0s  ") and "transmit 0 AN 1 OutPktsEncrypted 1;" in lines[0]
    objects = [json.loads(line) for line in custodes("counters", "--json", *options).stdout.splitlines()]
    assert [set(one) for one in objects] == [{"device", "seconds", "counters"}] * 3
    seconds = [one["seconds"] for one in objects]
    assert seconds[0] == 0 and 0.05 <= seconds[1] < seconds[2]


def test_watch_shows_by_how_much_counters_rise(device: Install) -> None:
    class Busy(FakeNic):
        def read(self, address: int) -> int:
            if address == 0x800 + 16:
                self.exchange([Ingress(Side.ACCELERATOR, plain(60))])
            return super().read(address)

    device(loaded(Busy()))
    lines = custodes("counters", "--watch", "--interval", "0.05", "--count", "2").stdout.splitlines()
    assert "OutPktsEncrypted 3  +1" in lines[1] or "OutPktsEncrypted 2  +1" in lines[1]


def test_watch_shows_it_in_place_on_a_terminal(device: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    device(loaded(FakeNic()))
    screen = Terminal()
    monkeypatch.setattr("custodes.terminal.sys.stdout", screen)
    from custodes.counter_commands import counters

    counters(watch=True, interval=0.05, count=3)
    text = screen.getvalue()
    assert text.count("OutPktsEncrypted") >= 3 and "\x1b[1A" in text


def test_counters_that_never_rest_are_said(device: Install) -> None:
    class Restless(FakeNic):
        reads = 0

        def read(self, address: int) -> int:
            self.reads += 1
            return self.reads if address == 0x800 + 2 else super().read(address)

    device(Restless())
    fails(custodes("counters"), 5, "do not come to rest")


FAKED = """
from custodes import device
from custodes.cli import main
from tests.host.fake_nic import FakeNic
device.open_link = lambda *_: FakeNic()
main()
"""


def test_ctrl_c_ends_watching_with_130() -> None:
    with python(FAKED, "counters", "--watch", "--json", "--interval", "0.05", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and json.loads(process.stdout.readline())["seconds"] == 0
        process.send_signal(signal.SIGINT)
        rest, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "custodes: interrupted\n")
    assert all(json.loads(line)["counters"] for line in rest.splitlines())
