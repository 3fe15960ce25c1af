# SPDX-License-Identifier: Apache-2.0
"""Keys are not read, and are gone after tampering and after power has been lost."""

from random import Random

import pytest

from custodes.errors import DeviceError
from custodes.keys import Keys
from custodes.macsec import Opening, Sealing, Side, Suite
from custodes.processor_registers import (
    COMMAND,
    REGISTERS,
    STATUS,
    STATUS_BUSY,
    STATUS_REFUSED,
    STATUS_TAMPERED,
    Command,
    words,
)
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, Station, load_of, plain, to_open, to_seal


def sessions(bench: Bench, random: Random) -> Station:
    """One in each direction; returns who sends."""
    bench.transmit(Sak.random(Suite.GCM_AES_XPN_256, random), an=1)
    return bench.receive(Sak.random(Suite.GCM_AES_256, random), an=3)


def send_some(bench: Bench, peer: Station, random: Random, count: int = 30) -> None:
    """Queue frames of both directions."""
    bench.send(to_seal(plain(random.choice((60, 500)), random) for _ in range(count)))
    bench.send(to_open(peer.seal(plain(random.choice((60, 500)), random, OWN, PEER)) for _ in range(count)))


def assert_nothing_passes(bench: Bench, peer: Station, random: Random) -> None:
    outcomes = bench.link.exchange(
        to_seal(plain(60, random) for _ in range(5))
        + to_open(peer.seal(plain(60, random, OWN, PEER)) for _ in range(5))
    )
    assert [outcome.frame for outcome in outcomes] == [None] * 10
    assert {outcome.reason for outcome in outcomes[:5]} == {Sealing.OUT_PKTS_NO_PEER}
    assert {outcome.reason for outcome in outcomes[5:]} == {Opening.IN_PKTS_NO_SCI}
    assert [bench.processor.in_use(side) for side in Side] == [0, 0]


def test_no_register_shows_a_key_or_a_salt(bench: Bench):
    random = Random(1)
    saks = [Sak.random(suite, random) for suite in (Suite.GCM_AES_XPN_256, Suite.GCM_AES_XPN_128)]
    secret = {word for sak in saks for part in (sak.key, sak.salt) for word in words(part)}
    secret |= {int.from_bytes(word.to_bytes(4), "little") for word in secret}
    for side, sak in zip(Side, saks, strict=True):
        *writes, order = load_of(side, 0, sak, pn=5)
        assert bench.tell(writes)
        assert secret.isdisjoint(bench.link.read(address) for address in range(64)), "while they wait for the command"
        assert bench.tell([order])
        assert secret.isdisjoint(bench.link.read(address) for address in range(64)), "while it is carried out"
        bench.idle()
    assert [bench.processor.association(side, 0) for side in Side] == [(sak.suite, 5) for sak in saks]
    assert secret.isdisjoint(bench.link.read(address) for address in range(REGISTERS))


def test_status_says_what_goes_on(bench: Bench):
    sak = Sak.random(Suite.GCM_AES_256, Random(2))
    assert bench.link.read(STATUS) == 0
    assert bench.tell(load_of(Side.ACCELERATOR, 0, sak))
    assert bench.link.read(STATUS) == STATUS_BUSY
    assert bench.idle() == 0
    assert not bench.tell(load_of(Side.ACCELERATOR, 0, sak))
    assert bench.link.read(STATUS) == STATUS_REFUSED
    assert not bench.tell([(COMMAND, 0xF << 28)]), "there is no such command"
    assert bench.order(Command.ZEROISE, 0)
    assert bench.idle() == 0
    assert bench.processor.association(Side.ACCELERATOR, 0) is None


@pytest.mark.parametrize("pin", [False, True], ids=["command", "pin"])
def test_tampering_ends_everything_until_a_reset(bench: Bench, pin: bool):
    random = Random(3)
    peer = sessions(bench, random)
    if pin:
        bench.link.tamper(True)
        bench.link.step(4)
        bench.link.tamper(False)
    else:
        assert bench.order(Command.TAMPER, 0)
    assert bench.idle() == STATUS_TAMPERED
    assert_nothing_passes(bench, peer, random)
    sak = Sak.random(Suite.GCM_AES_128, random)
    assert not bench.tell(load_of(Side.ACCELERATOR, 2, sak))
    assert not bench.order(Command.SELECT, 2)
    assert not bench.order(Command.CHANNEL, 0)
    with pytest.raises(DeviceError, match="tampered"):
        bench.processor.load(Keys())
    assert_nothing_passes(bench, peer, random)
    bench.reset()
    assert bench.link.read(STATUS) == 0
    peer = sessions(bench, random)
    bench.check(to_seal([plain(60, random)]) + to_open([peer.seal(plain(60, random, OWN, PEER))]))
    assert bench.opener.counters[3, Opening.IN_PKTS_OK] == bench.sealer.counters[1, Sealing.OUT_PKTS_ENCRYPTED] == 1


@pytest.mark.parametrize("cycles", [200, 431, 1003])
@pytest.mark.parametrize("pin", [False, True], ids=["command", "pin"])
def test_no_frame_leaves_after_tampering(bench: Bench, cycles: int, pin: bool):
    random = Random(cycles)
    peer = sessions(bench, random)
    send_some(bench, peer, random)
    bench.link.step(cycles)
    if pin:
        bench.link.tamper(True)
        bench.link.step(3)
    else:
        assert bench.order(Command.TAMPER, 0)
    for side in Side:
        list(bench.taken(side))
    bench.link.step(30_000)
    assert [outcome.frame for side in Side for outcome in bench.taken(side) if outcome.frame is not None] == []
    assert bench.processor.tampered
    bench.reset()


@pytest.mark.parametrize("cycles", [*range(1, 200, 23), 500, 1200])
def test_power_lost_in_the_middle_of_frames_forgets_keys_and_frames(bench: Bench, cycles: int):
    random = Random(cycles)
    peer = sessions(bench, random)
    send_some(bench, peer, random)
    bench.link.step(cycles)
    bench.reset()
    assert_nothing_passes(bench, peer, random)
    peer = sessions(bench, random)
    bench.check(to_seal([plain(60, random)]) + to_open([peer.seal(plain(60, random, OWN, PEER))]))
    assert bench.opener.counters[3, Opening.IN_PKTS_OK] == bench.sealer.counters[1, Sealing.OUT_PKTS_ENCRYPTED] == 1


@pytest.mark.parametrize("cycles", [0, 1, 7, 60, 200, 350])
def test_power_lost_while_a_key_is_loaded_forgets_it(bench: Bench, cycles: int):
    random = Random(cycles)
    old, new = (Sak.random(Suite.GCM_AES_256, random) for _ in range(2))
    bench.send_to(0, PEER)
    assert bench.tell(load_of(Side.ACCELERATOR, 0, old))
    bench.link.step(cycles)
    bench.reset()
    assert [bench.processor.in_use(side) for side in Side] == [0, 0]
    bench.send_to(0, PEER)
    bench.check(to_seal([plain(60, random)]))
    assert bench.sealer.counters == {(0, Sealing.OUT_PKTS_NOT_USING_SA): 1}
    bench.load_sak(Side.ACCELERATOR, 0, new)
    bench.check(to_seal([plain(60, random)]))


def test_words_of_a_key_written_before_power_was_lost_are_not_in_the_next(bench: Bench):
    random = Random(9)
    *writes, _ = load_of(Side.ACCELERATOR, 0, Sak.random(Suite.GCM_AES_256, random))
    assert bench.tell(writes[:5])
    bench.reset()
    bench.transmit(Sak.random(Suite.GCM_AES_256, random))
    bench.check(to_seal([plain(60, random)]))
    assert bench.sealer.counters == {(0, Sealing.OUT_PKTS_ENCRYPTED): 1}


def test_a_key_that_was_not_written_whole_is_not_loaded(bench: Bench):
    random = Random(10)
    for missing in range(8):
        *writes, order = load_of(Side.NETWORK, 0, Sak.random(Suite.GCM_AES_256, random))
        assert not bench.tell([*writes[:missing], *writes[missing + 1 :], order])
    assert bench.processor.in_use(Side.NETWORK) == 0
