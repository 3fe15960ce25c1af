# SPDX-License-Identifier: Apache-2.0
"""The whole gateway beside its specification: the same happens to both, and the same must leave at every port."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random

import pytest

from custodes.errors import DeviceError
from custodes.gateway import Gateway
from custodes.gateway_formats import ALWAYS, UPLOAD_BYTES, UPLOAD_HEAD_BYTES
from custodes.gateway_leg import GATEWAY, RECOMPUTER, session_keys
from custodes.gateway_registers import SCRUBBER_BASE, Fault, GatewayPort, Mode
from custodes.keys import Keys
from custodes.link import Ingress
from custodes.macsec import Side, Suite
from custodes.maps import GATEWAY as GATEWAY_MAP
from custodes.model.session import Opener, Sealer
from custodes.model.upload import weights
from custodes.policy import Policy
from custodes.processor import keys_writes
from custodes.processor_registers import COMMAND, Command, command
from custodes.registers import policy_writes
from custodes.samples import Begin, End, Leaf, Piece, read_sample
from custodes.simgateway import SimGateway
from custodes.simlink import library_path
from custodes.table import Port
from tests.frames import MACS, Arp, Frame, Ip4, Ip6, Tcp, Udp
from tests.host.fake_gateway import FakeGateway

LANES = (1, 8)
SERVER = MACS[Port.CLUSTER]
WEIGHTS = Random(1).randbytes(2 * UPLOAD_BYTES + 77)
DIGEST = hashlib.sha256(WEIGHTS).digest()
POLICY = Policy.model_validate(
    {
        "ethertypes": ["arp", "ipv4", "ipv6"],
        "protocols": ["tcp", "udp"],
        "cluster": [{"mac": SERVER.hex(":"), "ip": ["192.0.2.1", "2001:db8::1"]}],
        "world": [{"mac": MACS[Port.WORLD].hex(":"), "ip": ["192.0.2.2", "2001:db8::2"]}],
    }
)
GLANCE_CYCLES = 2000
"""From one look for what has left to the next: longer than a frame takes that is not sampled."""
GLANCES = 20
ACK, FIN = 0x10, 0x01
QUESTIONS = 28
"""More than there are slots, and than the session keeps samples of."""


class Twins:
    """A simulated gateway that has just been reset, and its specification.

    Members:
        samples: what has left to the recomputer, opened, in order.
    """

    def __init__(self, link: SimGateway) -> None:
        link.unplug(False)
        link.tamper(False)
        link.reset()
        self.keys, theirs = session_keys()
        self.link, self.told = link, FakeGateway(POLICY, self.keys)
        self.both = [Gateway(self.link), Gateway(self.told)]
        self.samples: list[bytes] = []
        self.opener = Opener.of(theirs)
        for gateway in self.both:
            gateway.load(self.keys)

    @property
    def gateway(self) -> Gateway:
        """The simulated one."""
        return self.both[0]

    def begin(self, bits: int = 8 * len(WEIGHTS), digest: bytes = DIGEST, threshold: int = ALWAYS) -> None:
        """Power, policy, and an epoch."""
        for gateway in self.both:
            gateway.start(bits, digest, SERVER, 1 << 31)
            gateway.admit(POLICY)
            gateway.send_samples_to(RECOMPUTER, GATEWAY)
        self.epoch(1, threshold)

    def epoch(self, key: int, threshold: int = ALWAYS) -> None:
        for link in (self.link, self.told):
            link.draw(bytes([key]) * 32)
        numbers = [gateway.epoch(threshold) for gateway in self.both]
        assert numbers[0] == numbers[1]
        self.same()

    def send(self, port: GatewayPort, *frames: bytes) -> None:
        """And wait for what comes of each: order between ports is then the same in both."""
        for frame in frames:
            for link in (self.link, self.told):
                link.send(Ingress(port, frame))
            self.same()

    def left(self) -> dict[GatewayPort, list[bytes]]:
        """What leaves by the time at which as much has left as has to."""
        self.told.step(GLANCE_CYCLES)
        wanted = {port: self.told.left(port) for port in GatewayPort}
        found: dict[GatewayPort, list[bytes]] = {port: [] for port in GatewayPort}
        for _ in range(GLANCES):
            self.link.step(GLANCE_CYCLES)
            for port in GatewayPort:
                found[port] += self.link.left(port)
            if all(len(found[port]) >= len(wanted[port]) for port in GatewayPort):
                break
        for port in GatewayPort:
            assert [frame.hex() for frame in found[port]] == [frame.hex() for frame in wanted[port]], port.name
        return found

    def same(self) -> None:
        """Whether the same has left."""
        opened = self.opened(self.left()[GatewayPort.RECOMPUTER])
        self.samples += opened
        assert self.link.power == self.told.power
        states = [(gateway.mode, gateway.fault, gateway.counted, gateway.counts) for gateway in self.both]
        assert states[0] == states[1]

    def opened(self, sealed: list[bytes]) -> list[bytes]:
        """Samples."""
        found = [self.opener.open(frame).frame for frame in sealed]
        assert None not in found
        return [frame for frame in found if frame is not None]

    def upload(self, octets: bytes = WEIGHTS) -> None:
        self.send(GatewayPort.WORLD, *weights(octets, bytes(6), bytes(6)))

    def serve(self) -> None:
        self.begin()
        self.upload()
        assert self.gateway.mode is Mode.SERVING


@pytest.fixture(scope="module", params=LANES, ids=lambda lanes: f"{lanes} lanes")
def link(request: pytest.FixtureRequest) -> Iterator[SimGateway]:
    if not library_path("gateway", request.param).exists():
        pytest.skip(f"sim:gateway with {request.param} lanes is not built")
    with SimGateway(request.param) as opened:
        yield opened


@pytest.fixture
def twins(link: SimGateway) -> Twins:
    return Twins(link)


class Talk:
    """A connection of the world with the server."""

    def __init__(self, twins: Twins, port: int = 50_000, version: int = 4) -> None:
        self._twins, self._port, self._ip = twins, port, Ip4 if version == 4 else Ip6
        self._next = [1000, 0xFFFF_FFF0]

    def say(self, from_server: bool, payload: bytes, flags: int = ACK, back: int = 0) -> None:
        """The next segment, or one that begins so many octets earlier."""
        ports = (80, self._port) if from_server else (self._port, 80)
        sequence = (self._next[from_server] - back) % (1 << 32)
        tcp = Tcp(flags, b"", payload, *ports, sequence)
        self._twins.send(
            GatewayPort.SERVER if from_server else GatewayPort.WORLD,
            Frame(self._ip(tcp, Port.CLUSTER if from_server else Port.WORLD)).pack(),
        )
        if not back:
            self._next[from_server] = (sequence + len(payload)) % (1 << 32)


def test_weights_pass_to_the_server_and_then_it_serves(twins: Twins):
    twins.begin()
    for link in (twins.link, twins.told):
        for frame in weights(WEIGHTS, bytes(6), bytes(6)):
            link.send(Ingress(GatewayPort.WORLD, frame))
    received = twins.left()[GatewayPort.SERVER]
    assert b"".join(frame[UPLOAD_HEAD_BYTES:] for frame in received) == WEIGHTS
    assert twins.gateway.mode is Mode.SERVING


@pytest.mark.parametrize("version", [4, 6])
def test_every_turn_becomes_a_pair_and_is_kept(twins: Twins, version: int):
    twins.serve()
    talk, random = Talk(twins, version=version), Random(version)
    for _ in range(6):
        for from_server in (False, True, True):
            talk.say(from_server, random.randbytes(random.randrange(1, 700)))
    talk.say(True, b"x" * 5, back=5)
    talk.say(False, b"", ACK | FIN)
    talk.say(True, b"", ACK | FIN)
    samples = [read_sample(frame) for frame in twins.samples]
    assert sum(isinstance(sample, Leaf) for sample in samples) == 6
    assert {sample.index for sample in samples if isinstance(sample, Piece)} == set(range(6))


def test_epochs_end_with_the_same_record(twins: Twins):
    twins.serve()
    talks = [Talk(twins, 50_000 + number) for number in range(3)]
    for number in range(2, 5):
        for talk in talks:
            talk.say(False, b"question")
            talk.say(True, b"answer")
        twins.epoch(number, 1 << 63)
        assert twins.both[0].record == twins.both[1].record
    assert [sample.epoch for sample in map(read_sample, twins.samples) if isinstance(sample, End)] == [1, 2, 3]


def test_what_is_no_answer_does_not_leave(twins: Twins):
    twins.serve()
    talk = Talk(twins)
    talk.say(True, b"nobody asked")
    talk.say(False, b"", 0x02)
    twins.send(GatewayPort.SERVER, Frame(Ip4(Udp(), Port.CLUSTER)).pack(), Frame(Arp(Port.CLUSTER)).pack())
    twins.send(GatewayPort.WORLD, Frame(Ip4(Udp(), Port.WORLD)).pack(), Frame(Arp(Port.WORLD)).pack())
    counts = twins.gateway.counts
    assert counts["unmatched"] == 1 and counts["refused"] == 2


def test_a_recomputer_that_takes_nothing_stops_what_would_be_lost(twins: Twins):
    twins.serve()
    link, gateway = twins.link, twins.gateway
    link.unplug(True)
    for number in range(QUESTIONS):
        ports = {GatewayPort.WORLD: (50_000, 80), GatewayPort.SERVER: (80, 50_000)}
        for port, pair in ports.items():
            tcp = Tcp(ACK, b"", bytes([number]) * 1000, *pair, 1 + 1000 * number)
            link.send(Ingress(port, Frame(Ip4(tcp, Port(port))).pack()))
            link.step(2 * GLANCE_CYCLES)
    passed = len(link.left(GatewayPort.SERVER))
    assert 0 < passed < QUESTIONS
    assert gateway.counts["store_full"] == QUESTIONS - passed
    link.unplug(False)
    link.step(60 * GLANCE_CYCLES)
    samples = [read_sample(frame) for frame in twins.opened(link.left(GatewayPort.RECOMPUTER))]
    assert sum(isinstance(sample, Leaf) for sample in samples) == passed - 1


@pytest.mark.parametrize("moment", range(4))
def test_a_server_that_speaks_too_early_has_no_power(twins: Twins, moment: int):
    twins.begin()
    twins.send(GatewayPort.WORLD, *weights(WEIGHTS, bytes(6), bytes(6))[: min(moment, 2)])
    twins.send(GatewayPort.SERVER, Frame(Arp(Port.CLUSTER)).pack())
    assert twins.gateway.fault is Fault.BACKWARD and not twins.link.power


@pytest.mark.parametrize("at", [0, 255])
def test_a_digest_with_one_other_bit_takes_the_power(twins: Twins, at: int):
    other = bytearray(DIGEST)
    other[at // 8] ^= 0x80 >> at % 8
    twins.begin(digest=bytes(other))
    twins.upload()
    assert twins.gateway.fault is Fault.DIGEST and not twins.link.power


def test_more_weights_take_the_power_of_a_server_that_serves(twins: Twins):
    twins.serve()
    twins.send(GatewayPort.WORLD, weights(WEIGHTS, bytes(6), bytes(6))[0])
    assert twins.gateway.fault is Fault.SECOND and not twins.link.power


def test_nothing_is_known_after_the_power_was_off(twins: Twins):
    twins.serve()
    talk = Talk(twins)
    talk.say(False, b"question")
    for gateway in twins.both:
        gateway.stop()
    twins.same()
    twins.serve()
    talk.say(True, b"answer to a question of before")
    assert twins.gateway.counts["unmatched"] == 1


def test_what_is_set_stays_while_the_server_serves(twins: Twins):
    twins.serve()
    link = twins.link
    talk = Talk(twins)
    talk.say(False, b"question")
    mac = {name: twins.gateway.registers.words(name) for name in ("RECOMPUTER_MAC", "SAMPLER_MAC", "SERVER_MAC")}
    for name, words in mac.items():
        for at in range(len(words)):
            link.write(GATEWAY_MAP.address(name, at), 0x5A5A_5A5A)
    assert {name: twins.gateway.registers.words(name) for name in mac} == mac
    for address, value in [*keys_writes(Keys()), *policy_writes(Policy())]:
        link.write(address, value)
        link.write(SCRUBBER_BASE + address, value)
    twins.gateway.registers.write("SEALED", 1)
    link.step(50 * GLANCE_CYCLES)
    assert twins.gateway.registers.read("SEALED") == 0
    talk.say(True, b"answer")
    talk.say(False, b"another question")


class Alone:
    """A simulated gateway that serves, without its specification."""

    def __init__(self, twins: Twins) -> None:
        self.link, self.gateway, self.opener = twins.link, twins.gateway, twins.opener

    def serve(self) -> tuple[bytes, list[bytes]]:
        """Returns what has left to the server, and to the recomputer, since the power came."""
        self.gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, 1 << 31)
        self.gateway.admit(POLICY)
        self.gateway.send_samples_to(RECOMPUTER, GATEWAY)
        self.gateway.epoch(ALWAYS)
        for frame in weights(WEIGHTS, bytes(6), bytes(6)):
            self.link.send(Ingress(GatewayPort.WORLD, frame))
        self.link.step(4 * GLANCE_CYCLES)
        assert self.gateway.mode is Mode.SERVING
        received = b"".join(frame[UPLOAD_HEAD_BYTES:] for frame in self.link.left(GatewayPort.SERVER))
        return received, [self.opener.open(frame).frame or b"" for frame in self.link.left(GatewayPort.RECOMPUTER)]

    def say(self, from_server: bool, payload: bytes, sequence: int) -> None:
        """Begin to send a segment."""
        ports = (80, 50_000) if from_server else (50_000, 80)
        port = GatewayPort.SERVER if from_server else GatewayPort.WORLD
        frame = Frame(Ip4(Tcp(ACK, b"", payload, *ports, sequence), Port(port))).pack()
        self.link.send(Ingress(port, frame))


@pytest.mark.parametrize("from_server", [False, True])
def test_power_that_falls_within_a_frame_leaves_nothing_of_it_behind(twins: Twins, from_server: bool):
    """In one gateway again and again: keys are what they were, and so are packet numbers."""
    alone = Alone(twins)
    alone.serve()
    link = alone.link
    for cycles in range(1, 2400, 311 // link.lanes + 60):
        alone.say(False, b"question", 1000)
        link.step(GLANCE_CYCLES)
        assert [b"question" in frame for frame in link.left(GatewayPort.SERVER)] == [True]
        alone.say(from_server, b"x" * 1000, 0xFFFF_FFF0 if from_server else 1008)
        link.step(cycles)
        alone.gateway.stop()
        link.step(GLANCE_CYCLES)
        for left in GatewayPort:
            link.left(left)
        received, samples = alone.serve()
        assert received == WEIGHTS and samples and isinstance(read_sample(samples[-1]), Begin), cycles


@pytest.mark.parametrize("cycles", [40, 700, 1600, 3100])
def test_a_reset_in_the_middle_of_an_upload_leaves_no_power(twins: Twins, cycles: int):
    twins.begin()
    for frame in weights(WEIGHTS, bytes(6), bytes(6)):
        twins.link.send(Ingress(GatewayPort.WORLD, frame))
    twins.link.step(cycles)
    twins.link.reset()
    gateway = twins.gateway
    assert not twins.link.power and gateway.mode is Mode.OFF and gateway.counted == 0
    again = Twins(twins.link)
    again.serve()


def test_tampering_takes_the_power_until_a_reset(twins: Twins):
    twins.serve()
    twins.link.tamper(True)
    twins.link.step(20)
    assert not twins.link.power and twins.gateway.fault is Fault.GUARD


def test_a_session_that_is_told_to_stop_takes_the_power_until_a_reset(twins: Twins):
    twins.serve()
    twins.link.write(COMMAND, command(Command.TAMPER, 0, Side.ACCELERATOR))
    twins.link.step(20)
    gateway = twins.gateway
    assert not twins.link.power and gateway.fault is Fault.GUARD and gateway.tampered
    with pytest.raises(DeviceError, match="a unit of the gateway failed, or somebody tampered with it"):
        gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, 1 << 31)


def test_what_a_session_is_told_while_there_is_power_is_refused_and_said_to_be(twins: Twins):
    twins.begin()
    with pytest.raises(DeviceError, match="the device refuses to zeroise"):
        twins.gateway.load(Keys())
    assert twins.gateway.numbers(Side.ACCELERATOR) == [0]
    twins.gateway.stop()
    twins.gateway.load(Keys())
    assert twins.gateway.numbers(Side.ACCELERATOR) == []


def test_weights_that_come_sealed_are_opened_and_plain_ones_are_dropped(twins: Twins):
    link, gateway = twins.link, twins.gateway
    suite = Suite.GCM_AES_256
    association = {"an": 0, "suite": suite.title, "key": Random(2).randbytes(suite.key_bytes).hex()}
    channel = {"sci": "02:00:00:00:00:09/1", "association": [association]}
    gateway.load(Keys.model_validate({"receive": [channel]}))
    gateway.take_sealed(True)
    sealer = Sealer.of(Keys.model_validate({"transmit": [{**channel, "peer": GATEWAY.hex(":")}]}))
    gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, 1 << 31)
    frames = weights(WEIGHTS, GATEWAY, MACS[Port.WORLD])
    link.send(Ingress(GatewayPort.WORLD, frames[0]))
    link.step(2 * GLANCE_CYCLES)
    assert gateway.counted == 0 and link.power
    for frame in frames:
        sealed = sealer.seal(frame).frame
        assert sealed is not None
        link.send(Ingress(GatewayPort.WORLD, sealed))
    link.step(6 * GLANCE_CYCLES)
    assert gateway.mode is Mode.SERVING
    assert b"".join(frame[UPLOAD_HEAD_BYTES:] for frame in link.left(GatewayPort.SERVER)) == WEIGHTS
