# SPDX-License-Identifier: Apache-2.0
"""The kernel peer against scapy's MACsec, in both directions and with every suite; and that it leaves nothing behind."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from scapy.compat import raw
from scapy.contrib.macsec import MACsecSA
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from custodes.macsec import HEADER_BYTES, ICV_BYTES, MACS_BYTES, Opening, Sealing, Suite, sectag
from tests.kernel import peer
from tests.kernel.peer import Association, Configuration, KernelError, KernelPeer
from tests.suites import EXTENDED, SUITES

KERNEL_SCI = bytes.fromhex("02aabbccdd010001")
OUR_SCI = bytes.fromhex("02aabbccdd020007")
OTHER_SCI = bytes.fromhex("02aabbccdd030001")
WRAP = 1 << 32


def association(suite: Suite, an: int, pn: int, seed: int) -> Association:
    r = random.Random(f"{suite.title} {an} {seed}")
    key, salt, ssci = r.randbytes(suite.key_bytes), r.randbytes(12), r.randrange(1, WRAP)
    return Association(an, key, pn, salt, ssci) if suite.extended else Association(an, key, pn)


def session(suite: Suite, *, an: int = 0, pn: int = 1, window: int | None = 0) -> Configuration:
    """The kernel seals with association ``an`` and opens with the next one."""
    transmit, receive = association(suite, an, pn, 1), association(suite, (an + 1) % 4, pn, 2)
    return Configuration(suite, KERNEL_SCI, OUR_SCI, (transmit,), (receive,), an, window)


@dataclass
class Scapy:
    """The other party's half of an association."""

    association: Association
    sci: bytes

    def __post_init__(self) -> None:
        a = self.association
        extended = {"xpn_en": True, "ssci": a.ssci, "salt": a.salt} if a.salt else {}
        self._sa = MACsecSA(self.sci, a.an, a.pn, a.key, ICV_BYTES, True, True, **extended)

    def seal(self, frames: Sequence[bytes]) -> list[bytes]:
        sealed = []
        for frame in frames:
            sealed.append(raw(self._sa.encrypt(self._sa.encap(Ether(frame)))))
            self._sa.pn += 1
        return sealed

    def open(self, frames: Sequence[bytes]) -> list[bytes]:
        """Raises when an ICV is wrong."""
        plain = []
        for frame in frames:
            plain.append(raw(self._sa.decap(self._sa.decrypt(Ether(frame)))))
            self._sa.pn += 1
        return plain


def ours(configuration: Configuration) -> Scapy:
    return Scapy(configuration.receive[0], OUR_SCI)


def theirs(configuration: Configuration) -> Scapy:
    return Scapy(configuration.transmit[0], KERNEL_SCI)


def plain(count: int, seed: int = 0) -> list[bytes]:
    """Frames between random stations, of any length; some with a VLAN tag."""
    r = random.Random(seed)
    frames = []
    for _ in range(count):
        ethertype = r.choice((b"\x88\xb5", b"\x88\xb5", b"\x81\x00\x20\x05\x88\xb5"))
        length = r.choice((r.randrange(2, 60), r.randrange(2, 1501)))
        frames.append(r.randbytes(MACS_BYTES) + ethertype + r.randbytes(length))
    return frames


def counted(kernel: KernelPeer) -> dict[str, int]:
    """Frames of the entity and its channels, by counter, where there are any."""
    return {name: value for name, value in kernel.counters().items() if value and name.startswith(("InP", "OutP"))}


@SUITES
def test_kernel_opens_what_scapy_sealed(kernel: KernelPeer, suite: Suite):
    configuration = session(suite, an=3, pn=1000)
    kernel.configure(configuration)
    frames = plain(60)
    assert kernel.deliver(ours(configuration).seal(frames)) == frames
    assert counted(kernel) == {Opening.IN_PKTS_OK.title: 60}
    counters = kernel.counters()
    assert (counters["rx0.InPktsOK"], counters["rx0.pn"]) == (60, 1060)


@SUITES
def test_scapy_opens_what_the_kernel_sealed(kernel: KernelPeer, suite: Suite):
    configuration = session(suite, an=2, pn=77)
    kernel.configure(configuration)
    frames = plain(60)
    sealed = kernel.transmit(frames)
    assert theirs(configuration).open(sealed) == frames
    for number, (frame, clear) in enumerate(zip(sealed, frames, strict=True)):
        tag = sectag(2, 77 + number, KERNEL_SCI, len(clear) - MACS_BYTES)
        assert frame[:HEADER_BYTES] == clear[:MACS_BYTES] + tag
    assert counted(kernel) == {Sealing.OUT_PKTS_ENCRYPTED.title: 60}
    counters = kernel.counters()
    assert (counters["tx2.OutPktsEncrypted"], counters["tx2.pn"]) == (60, 137)


@pytest.mark.parametrize("payload_bytes", [0, 1, 33, 34, 35, 46, 1500])
def test_every_length_passes_both_ways(kernel: KernelPeer, payload_bytes: int):
    configuration = session(Suite.GCM_AES_128)
    kernel.configure(configuration)
    frames = [bytes(MACS_BYTES) + b"\x88\xb5" + bytes(payload_bytes)]
    assert theirs(configuration).open(kernel.transmit(frames)) == frames
    if payload_bytes:
        assert kernel.deliver(ours(configuration).seal(frames)) == frames


@SUITES
def test_drops_tampered_frames(kernel: KernelPeer, suite: Suite):
    configuration = session(suite)
    kernel.configure(configuration)
    frames = plain(2)
    first, second = ours(configuration).seal(frames)
    tampered = [
        bytes(octet ^ (index == where) for index, octet in enumerate(first))
        for where in (
            0,
            MACS_BYTES - 1,
            HEADER_BYTES,
            len(first) - ICV_BYTES - 1,
            len(first) - ICV_BYTES,
            len(first) - 1,
        )
    ]
    assert kernel.deliver([*tampered, first, second]) == frames
    assert counted(kernel) == {Opening.IN_PKTS_NOT_VALID.title: len(tampered), Opening.IN_PKTS_OK.title: 2}


@SUITES
def test_drops_replayed_frames(kernel: KernelPeer, suite: Suite):
    configuration = session(suite)
    kernel.configure(configuration)
    frames = plain(4)
    sealed = ours(configuration).seal(frames)
    assert kernel.deliver([sealed[0], sealed[3], *sealed]) == [frames[0], frames[3]]
    assert counted(kernel) == {Opening.IN_PKTS_OK.title: 2, Opening.IN_PKTS_LATE.title: 4}


@SUITES
def test_takes_late_frames_inside_the_window(kernel: KernelPeer, suite: Suite):
    configuration = session(suite, pn=100, window=3)
    kernel.configure(configuration)
    frames = plain(8)
    sealed = ours(configuration).seal(frames)
    assert kernel.deliver([sealed[7], *sealed[:7]]) == [frames[7], frames[5], frames[6]]
    assert counted(kernel) == {Opening.IN_PKTS_OK.title: 3, Opening.IN_PKTS_LATE.title: 5}


@SUITES
def test_takes_all_without_replay_protection(kernel: KernelPeer, suite: Suite):
    configuration = session(suite, window=None)
    kernel.configure(configuration)
    frames = plain(3)
    sealed = ours(configuration).seal(frames)
    assert kernel.deliver([*reversed(sealed), sealed[0]]) == [*reversed(frames), frames[0]]


@SUITES
def test_counts_frames_of_no_channel_or_association(kernel: KernelPeer, suite: Suite):
    configuration = session(suite)
    kernel.configure(configuration)
    frames = plain(1)
    known = configuration.receive[0]
    (good,) = ours(configuration).seal(frames)
    (stranger,) = Scapy(known, OTHER_SCI).seal(frames)
    others = [sealed for an in (0, 2, 3) for sealed in Scapy(replace(known, an=an), OUR_SCI).seal(frames)]
    versioned = good[: MACS_BYTES + 2] + bytes((good[MACS_BYTES + 2] | 0x80,)) + good[MACS_BYTES + 3 :]
    assert kernel.deliver([stranger, *others, versioned, frames[0], frames[0], good]) == frames
    assert counted(kernel) == {
        Opening.IN_PKTS_NO_SCI.title: 1,
        Opening.IN_PKTS_NOT_USING_SA.title: 3,
        Opening.IN_PKTS_BAD_TAG.title: 1,
        Opening.IN_PKTS_NO_TAG.title: 2,
        Opening.IN_PKTS_OK.title: 1,
    }


@EXTENDED
def test_extended_packet_numbers_pass_32_bits(kernel: KernelPeer, suite: Suite):
    configuration = session(suite, pn=5 * WRAP - 3)
    kernel.configure(configuration)
    frames = plain(6)
    sealed = kernel.transmit(frames)
    assert theirs(configuration).open(sealed) == frames
    assert kernel.deliver(ours(configuration).seal(frames)) == frames
    counters = kernel.counters()
    assert (counters["tx0.pn"], counters["rx1.pn"]) == (3, 3)


def test_association_ends_with_its_last_packet_number(kernel: KernelPeer):
    configuration = session(Suite.GCM_AES_128, pn=WRAP - 2)
    kernel.configure(configuration)
    frames = plain(4)
    assert theirs(configuration).open(kernel.transmit(frames)) == frames[:2]


@SUITES
def test_rekeys_without_loss(kernel: KernelPeer, suite: Suite):
    configuration = session(suite, window=10)
    kernel.configure(configuration)
    frames = plain(6)
    next_transmit, next_receive = association(suite, 1, 50, 3), association(suite, 2, 60, 4)
    old, new = ours(configuration), Scapy(next_receive, OUR_SCI)
    delivered = kernel.deliver(old.seal(frames[:2]))
    sealed = kernel.transmit(frames[:2])
    kernel.add_receive(next_receive)
    kernel.add_transmit(next_transmit)
    sealed += kernel.transmit(frames[2:4])
    delivered += kernel.deliver([*new.seal(frames[2:4]), *old.seal(frames[4:])])
    kernel.encode(1)
    sealed += kernel.transmit(frames[4:])
    assert delivered == frames
    assert theirs(configuration).open(sealed[:4]) + Scapy(next_transmit, KERNEL_SCI).open(sealed[4:]) == frames
    counters = kernel.counters()
    assert (counters["rx1.InPktsOK"], counters["rx2.InPktsOK"]) == (4, 2)
    assert (counters["tx0.pn"], counters["tx1.pn"]) == (5, 52)


def test_disabled_and_removed_associations_take_nothing(kernel: KernelPeer):
    configuration = session(Suite.GCM_AES_256)
    kernel.configure(configuration)
    frames = plain(3)
    sealed = ours(configuration).seal(frames)
    kernel.enable_receive(1, False)
    kernel.enable_transmit(0, False)
    assert (kernel.deliver(sealed[:1]), kernel.transmit(frames)) == ([], [])
    kernel.enable_receive(1)
    kernel.enable_transmit(0)
    assert (kernel.deliver(sealed[1:2]), len(kernel.transmit(frames))) == (frames[1:2], 3)
    kernel.enable_receive(1, False)
    kernel.remove_receive(1)
    kernel.enable_transmit(0, False)
    kernel.remove_transmit(0)
    assert (kernel.deliver(sealed[2:]), kernel.transmit(frames)) == ([], [])
    assert kernel.counters()[Opening.IN_PKTS_NOT_USING_SA.title] == 2


def test_keeps_segments_of_a_connection_apart(kernel: KernelPeer):
    configuration = session(Suite.GCM_AES_128)
    kernel.configure(configuration)
    segments = [tcp_segment(sequence) for sequence in range(0, 8000, 1000)]
    assert kernel.deliver(ours(configuration).seal(segments)) == segments


def tcp_segment(sequence: int) -> bytes:
    packet = (
        IP(src="192.0.2.1", dst="192.0.2.2", flags="DF", id=0)
        / TCP(sport=1, dport=2, seq=sequence, flags="A")
        / bytes(1000)
    )
    return raw(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)


def test_moves_many_frames_in_order(kernel: KernelPeer):
    configuration = session(Suite.GCM_AES_XPN_256)
    kernel.configure(configuration)
    frames = plain(500, seed=1)
    assert kernel.deliver(ours(configuration).seal(frames)) == frames
    assert theirs(configuration).open(kernel.transmit(frames)) == frames


def test_refuses_and_goes_on(kernel: KernelPeer):
    configuration = session(Suite.GCM_AES_128)
    wrong = replace(configuration, receive=(Association(0, bytes(5)),))
    with pytest.raises(KernelError, match="macsec add"):
        kernel.configure(wrong)
    kernel.configure(configuration)
    with pytest.raises(ValueError, match="frames have 14 to 2016 bytes"):
        kernel.transmit([bytes(2017)])
    assert len(kernel.transmit([bytes(2016)])) == 1
    kernel._ask("change", commands="link set macsec0 mtu 100")
    with pytest.raises(KernelError, match=r"a frame of 200 bytes: .*Message too long"):
        kernel.transmit([bytes(60), bytes(200)])
    assert len(kernel.transmit([bytes(60)])) == 1


def processes(group: int) -> list[int]:
    """Of a process group; the ended ones do not count."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(of) == group and state != "Z":
                members.append(int(entry.name))
    return members


@pytest.mark.parametrize("how", ["left", "raised", "killed"])
def test_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str):
    if reason := peer.missing():
        pytest.skip(reason)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    group = 0
    try:
        with KernelPeer() as kernel:
            group = kernel._process.pid
            assert len(processes(group)) > 1
            assert any(tmp_path.iterdir())
            if how == "raised":
                raise KernelError("raised")
            if how == "killed":
                os.kill(group, signal.SIGKILL)
                kernel.configure(session(Suite.GCM_AES_128))
    except KernelError as error:
        assert ("raised" if how == "raised" else "the guest ended") in str(error)
    else:
        assert how == "left"
    end = time.monotonic() + 5
    while processes(group) and time.monotonic() < end:
        time.sleep(0.01)
    assert processes(group) == []
    assert not any(tmp_path.iterdir())


def test_says_which_program_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peer, "KERNEL", "linux.uml-of-no-machine")
    reason = peer.missing()
    assert reason is not None
    assert "user-mode-linux" in reason
