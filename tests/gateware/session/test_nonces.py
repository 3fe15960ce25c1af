# SPDX-License-Identifier: Apache-2.0
"""No pair of key and IV is ever used twice, whatever happens to keys and power."""

from collections import Counter
from random import Random, SystemRandom

from cryptography.exceptions import InvalidTag

from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, Side, Suite
from custodes.processor_registers import Command
from tests.gateware.session.bench import OTHER, PEER, SCI_OTHER, SCI_OWN, Bench, Sak, Station, load_of, plain, to_seal

LOWER = 0xFFFF_FFFF
ACTIONS = 400
FRAMES = 12
"""Sent before each action; about half of them are still inside when it begins."""
CHANNELS = ((PEER, SCI_OWN), (OTHER, SCI_OTHER))


class Monitor:
    """Reads every sealed frame that leaves, as one who has all keys.

    Members:
        frames: how many.
        stations: by channel and AN, those whose keys have been loaded there, the last first; ``pn`` is that which may come.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.stations: dict[tuple[bytes, int], list[Station]] = {}
        self._used: set[tuple[bytes, bytes]] = set()

    def loaded(self, station: Station) -> None:
        self.stations.setdefault((station.sci, station.an), []).insert(0, station)

    def see(self, sealed: bytes) -> None:
        """Raises where a nonce comes again, or no key fits with a higher PN than before."""
        sci, an, lower = sealed[20:28], sealed[14] & 3, int.from_bytes(sealed[16:20])
        for station in self.stations[sci, an]:
            pn = lower
            if station.sak.suite.extended:
                pn = station.pn & ~LOWER | lower
                pn += (pn < station.pn) << 32
            try:
                station.open(sealed, pn)
            except InvalidTag:
                continue
            assert pn >= station.pn, "packet numbers increase"
            station.pn = pn + 1
            nonce = station.sak.key, station.sak.iv(sci, pn)
            assert nonce not in self._used
            self._used.add(nonce)
            self.frames += 1
            return
        raise AssertionError(f"no key opens {sealed.hex()}")


class Run:
    """A processor whose keys are changed at random while frames go through it."""

    def __init__(self, bench: Bench, random: Random) -> None:
        self.bench = bench
        self.random = random
        self.monitor = Monitor()
        self._set_up()

    def _set_up(self) -> None:
        self.an = [0, 0]
        for channel, (peer, sci) in enumerate(CHANNELS):
            self.bench.send_to(channel, peer, sci)
            self._load(channel, 0, 1)

    def _load(self, channel: int, an: int, pn: int) -> bool:
        """Again where it is refused: frames inside may exhaust the keys in use just then, which have to be overwritten."""
        sak = Sak.random(self.random.choice(list(Suite)), self.random)
        pn = min(pn, sak.suite.max_pn)
        for _ in range(1 + len(CHANNELS)):
            self.bench.idle()
            if self.bench.tell(load_of(Side.ACCELERATOR, ASSOCIATIONS_PER_CHANNEL * channel + an, sak, pn)):
                self.monitor.loaded(Station(sak, an, pn, CHANNELS[channel][1]))
                return True
        return False

    def traffic(self) -> None:
        sizes = (60, 61, 40 * self.bench.link.lanes)
        self.bench.send(
            to_seal(
                plain(min(self.random.choice(sizes), 1500), self.random, self.random.choice(CHANNELS)[0])
                for _ in range(FRAMES)
            )
        )
        self.bench.link.step(self.random.randrange(60 * FRAMES))
        self.collect()

    def collect(self) -> None:
        for outcome in self.bench.taken(Side.ACCELERATOR):
            if outcome.frame is not None:
                self.monitor.see(outcome.frame)

    def rotate(self) -> None:
        """To an AN that is free, or becomes so; the old key goes later, at once, or not at all."""
        channel = self.random.randrange(len(CHANNELS))
        old = self.an[channel]
        new = (old + self.random.randrange(1, 4)) % ASSOCIATIONS_PER_CHANNEL
        number = ASSOCIATIONS_PER_CHANNEL * channel
        assert self.bench.order(Command.ZEROISE, number + new)
        assert self._load(channel, new, self.random.choice((1, self.random.randrange(1, 1 << 32), (1 << 32) - 4)))
        if self.random.randrange(2):
            self.bench.idle()
        assert self.bench.order(Command.SELECT, number + new)
        self.an[channel] = new
        if self.random.randrange(2):
            assert self.bench.order(Command.ZEROISE, number + old)

    def rekey_in_place(self) -> None:
        """The key that is in use goes, and another comes to the same place."""
        channel = self.random.randrange(len(CHANNELS))
        assert self.bench.order(Command.ZEROISE, ASSOCIATIONS_PER_CHANNEL * channel + self.an[channel])
        assert self._load(channel, self.an[channel], 1)

    def exhaust(self) -> None:
        """A key with few packet numbers left, of either size."""
        channel = self.random.randrange(len(CHANNELS))
        assert self.bench.order(Command.ZEROISE, ASSOCIATIONS_PER_CHANNEL * channel + self.an[channel])
        assert self._load(channel, self.an[channel], (1 << self.random.choice((32, 64))) - self.random.randrange(1, 9))

    def load_again(self) -> None:
        """Where there is a key: refused, but where it has come to its end."""
        channel = self.random.randrange(len(CHANNELS))
        self._load(channel, self.an[channel], 1)

    def lose_power(self) -> None:
        """And come back with other keys, whose packet numbers begin at 1."""
        self.collect()
        self.bench.reset()
        self._set_up()


ACTIONS_BY_WEIGHT = {
    Run.rotate: 5,
    Run.rekey_in_place: 3,
    Run.exhaust: 3,
    Run.load_again: 2,
    Run.lose_power: 2,
}


def test_no_nonce_is_used_twice(bench: Bench):
    seed = SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    random = Random(seed)
    run, done = Run(bench, random), Counter[str]()
    for action in random.choices(list(ACTIONS_BY_WEIGHT), list(ACTIONS_BY_WEIGHT.values()), k=ACTIONS):
        run.traffic()
        action(run)
        done[action.__name__] += 1
    bench.link.run(1 << 20)
    run.collect()
    bench.reset()
    print(f"{run.monitor.frames} frames, {done}")
    assert len(done) == len(ACTIONS_BY_WEIGHT)
    assert run.monitor.frames > ACTIONS * FRAMES // 4
