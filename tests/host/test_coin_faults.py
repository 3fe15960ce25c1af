# SPDX-License-Identifier: Apache-2.0
"""What an attacker among the three can try, once for each: it is told by name, the epoch is void, and no words come."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from custodes.coin import NO_SESSION, CoinError, Kind, Message, Offence, Speaker, Voice, heard
from custodes.coin_party import speakers
from custodes.coin_registers import CoinState, Party
from custodes.coin_transcript import opened
from custodes.coin_warden import Pace
from custodes.errors import CaptureError, UsageError
from tests.host.coin_scene import HASTE, SALT, SHARE, Attacker, Scene, Script
from tests.host.fake_coin import KEYS, PUBLIC


def voids(folder: Path, attack: Script, offence: Offence, by: Speaker, words: str, pace: Pace = HASTE) -> CoinError:
    """The attack ends the epoch for everybody, with this reason, and the device forgets everything."""
    scene = Scene(folder, pace)
    warden, verifier = asyncio.run(scene.play(attack))
    assert isinstance(warden, CoinError), warden
    assert (warden.offence, warden.by, warden.exit_code) == (offence, by, 7)
    assert words in str(warden)
    assert "\n" not in str(warden)
    assert isinstance(verifier, CoinError), verifier
    assert (verifier.offence, verifier.by) == (offence, by)
    assert scene.link.seed is None
    assert scene.link.state in (CoinState.IDLE, CoinState.FAULT)
    assert scene.link.ended >= 1
    assert scene.results == []
    for name in ("warden", "verifier"):
        log = (folder / f"{name}-1.jsonl").read_text()
        assert f'"fault": "{offence.value}", "by": "{by.title}"' in log
    with pytest.raises((CaptureError, CoinError)):
        opened(folder / "verifier-1.jsonl", PUBLIC)
    return warden


async def quiet(attacker: Attacker) -> None:
    """Stay until it is over."""
    await attacker.until_fault()


def test_with_nobody_cheating_all_agree(tmp_path: Path):
    scene = Scene(tmp_path)
    assert asyncio.run(scene.play(epochs=2)) == [None, None, None]
    assert [one.epoch for one in scene.results] == [1, 2]
    assert [one.seed for one in scene.results] == scene.link.seeds


def test_an_honest_attacker_gets_to_the_end(tmp_path: Path):
    """Or the attacks below would show nothing."""

    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await attacker.say(Kind.REVEAL, attacker.sealed())
        await attacker.hear(Kind.ENDED)
        await attacker.say(Kind.OPEN, SHARE, SALT)
        await attacker.hear(Kind.OPENED)
        await attacker.hear(Kind.DONE)

    scene = Scene(tmp_path)
    assert asyncio.run(scene.play(attack)) == [None, None]
    assert scene.results[0].shares[0] == SHARE


def test_early_reveal(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.say(Kind.REVEAL, attacker.sealed())
        await quiet(attacker)

    fault = voids(tmp_path, attack, Offence.EARLY, Speaker.PROVER, "reveal comes before both commitments")
    assert heard(fault.evidence[0], PUBLIC, Speaker.PROVER).kind is Kind.REVEAL


def test_early_reveal_in_the_open(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.say(Kind.OPEN, SHARE, SALT)
        await quiet(attacker)

    voids(tmp_path, attack, Offence.EARLY, Speaker.PROVER, "open comes before both commitments")


def test_no_commitment(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await quiet(attacker)

    pace = Pace(step=1.5, epoch=0.05, grace=0.2, join=60, poll=0.05)
    voids(tmp_path, attack, Offence.NO_COMMITMENT, Speaker.PROVER, "no commit within 1.5 s", pace)


def test_no_reveal(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await quiet(attacker)

    pace = Pace(step=3, epoch=0.05, grace=0.2, join=60, poll=0.05)
    voids(tmp_path, attack, Offence.NO_REVEAL, Speaker.PROVER, "no reveal within 3 s", pace)


def test_late_reveal_comes_to_a_device_that_has_forgotten_everything(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await asyncio.sleep(3.5)
        await attacker.say(Kind.REVEAL, attacker.sealed())
        await quiet(attacker)

    pace = Pace(step=3, epoch=0.05, grace=30, join=60, poll=0.05)
    voids(tmp_path, attack, Offence.LATE, Speaker.PROVER, "reveal comes after its 3 s", pace)


def test_mismatching_share(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await attacker.say(Kind.REVEAL, attacker.sealed(bytes(32)))
        await quiet(attacker)

    fault = voids(tmp_path, attack, Offence.MISMATCH, Speaker.PROVER, "not what it committed to")
    assert heard(fault.evidence[0], PUBLIC, Speaker.PROVER).body == [bytes(32), SALT]


def test_copied_commitment(tmp_path: Path):
    """The attacker waits for the verifier's, as if it could see it on the wire."""
    scene = Scene(tmp_path)
    copied: list[bytes] = []
    original = scene.warden._commit

    def seen(message: Message) -> None:
        copied.append(message.body[0])
        original(message)

    scene.warden._commit = seen

    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        while not copied:
            await asyncio.sleep(0.01)
        await attacker.say(Kind.COMMIT, copied[0])
        await quiet(attacker)

    warden, verifier = asyncio.run(scene.play(attack))
    assert isinstance(warden, CoinError) and isinstance(verifier, CoinError)
    assert (warden.offence, warden.by) == (verifier.offence, verifier.by) == (Offence.COPIED, Speaker.PROVER)
    assert scene.link.seed is None


def test_equivocation_between_two_commitments(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.say(Kind.COMMIT, bytes(32))
        await quiet(attacker)

    fault = voids(tmp_path, attack, Offence.EQUIVOCATION, Speaker.PROVER, "two different messages commit")
    both = [heard(data, PUBLIC, Speaker.PROVER) for data in fault.evidence]
    assert {one.kind for one in both} == {Kind.COMMIT}
    assert both[0].body != both[1].body


def test_equivocation_between_two_shares(tmp_path: Path):
    """One for the device, another for the verifier when the epoch is over. The verifier gets the true one all the same."""

    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await attacker.say(Kind.REVEAL, attacker.sealed())
        await attacker.hear(Kind.ENDED)
        await attacker.say(Kind.OPEN, bytes(32), SALT)
        await quiet(attacker)

    scene = Scene(tmp_path)
    warden, _ = asyncio.run(scene.play(attack))
    assert isinstance(warden, CoinError)
    assert (warden.offence, warden.by) == (Offence.EQUIVOCATION, Speaker.PROVER)
    assert [heard(data, PUBLIC, Speaker.PROVER).body for data in warden.evidence] == [[SHARE, SALT], [bytes(32), SALT]]
    assert opened(tmp_path / "verifier-1.jsonl", PUBLIC).shares[0] == SHARE


def test_equivocation_about_what_the_warden_has_shown(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.hear(Kind.LATCHED)
        await attacker.say(Kind.VIEW, bytes(32))
        await quiet(attacker)

    voids(tmp_path, attack, Offence.EQUIVOCATION, Speaker.PROVER, "other commitments than the warden has shown")


def test_replayed_message_of_this_session(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        commit = await attacker.commit()
        await attacker.wire.send(commit)
        await quiet(attacker)

    voids(tmp_path, attack, Offence.REPLAYED, Speaker.PROVER, "commit comes a second time")


def test_replayed_message_of_another_session(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        attacker.session = hashlib.sha256(b"another").digest()
        await attacker.commit()
        await quiet(attacker)

    voids(tmp_path, attack, Offence.REPLAYED, Speaker.PROVER, "commit is of another session")


def test_replayed_message_of_an_earlier_epoch(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        attacker.epoch -= 1
        await attacker.commit()
        await quiet(attacker)

    voids(tmp_path, attack, Offence.REPLAYED, Speaker.PROVER, "commit is of epoch 0, not 1")


def test_replayed_message_of_the_other_party(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        latched = await attacker.hear(Kind.LATCHED)
        await attacker.wire.send(heard(latched.body[Party.VERIFIER], PUBLIC, Speaker.WARDEN))
        await quiet(attacker)

    voids(tmp_path, attack, Offence.REPLAYED, Speaker.PROVER, "commit is by the verifier")


def test_words_end_when_a_party_speaks_while_they_come(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await attacker.say(Kind.REVEAL, attacker.sealed())
        await attacker.hear(Kind.DRAWN)
        await attacker.say(Kind.OPEN, SHARE, SALT)
        await quiet(attacker)

    pace = Pace(step=8, epoch=60, grace=1, join=60, poll=0.05)
    voids(tmp_path, attack, Offence.MISPLACED, Speaker.PROVER, "open comes where nothing is waited for", pace)


@pytest.mark.parametrize("what", ["key", "bytes", "length"])
def test_what_is_not_signed_is_no_message(tmp_path: Path, what: str):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        if what == "key":
            attacker.voice = Voice(Speaker.PROVER, Ed25519PrivateKey.from_private_bytes(bytes(32)))
            await attacker.commit()
        elif what == "bytes":
            await attacker.wire.send(attacker.message(Kind.COMMIT, SHARE)._replace(data=b"\x80"))
        else:
            await attacker.wire.send(attacker.message(Kind.COMMIT, SHARE)._replace(data=bytes(1 << 15)))
        await quiet(attacker)

    voids(
        tmp_path, attack, Offence.FORGED, Speaker.PROVER, "no message" if what != "key" else "not signed by the prover"
    )


def test_a_share_that_is_not_sealed_for_this_epoch(tmp_path: Path):
    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        attacker.agreement = X25519PrivateKey.generate().public_key().public_bytes_raw()
        await attacker.say(Kind.REVEAL, attacker.sealed())
        await quiet(attacker)

    voids(tmp_path, attack, Offence.FORGED, Speaker.PROVER, "not sealed for this epoch")


def test_strangers_are_turned_away_and_disturb_nobody(tmp_path: Path):
    scene = Scene(tmp_path)

    async def attack(attacker: Attacker) -> None:
        old = await attacker.hear(Kind.CHALLENGE)
        for hello in (
            attacker.message(Kind.HELLO, bytes(32), hashlib.sha256(old.data).digest()),
            attacker.message(Kind.COMMIT, bytes(32)),
            Voice(Speaker.WARDEN, KEYS[Speaker.WARDEN]).say(Kind.HELLO, NO_SESSION, 0, bytes(32), bytes(32)),
            attacker.message(Kind.HELLO, bytes(32), bytes(32))._replace(data=b"nothing"),
        ):
            wire = await scene.wire()
            await wire.receive()
            await wire.send(hello)
            with pytest.raises(CoinError):
                await wire.receive()
            wire.close()
        other = Attacker(await scene.wire())
        challenge = await other.hear(Kind.CHALLENGE)
        await other.say(Kind.HELLO, bytes(32), challenge.body[0])
        await attacker.say(Kind.HELLO, bytes(32), old.body[0])
        with pytest.raises(CoinError):
            while True:
                await attacker.wire.receive()
        other.session = (await other.hear(Kind.SESSION)).digest
        begin = await other.hear(Kind.BEGIN)
        other.epoch, other.agreement = begin.epoch, begin.body[0]
        await other.commit()
        await other.view()
        await other.say(Kind.REVEAL, other.sealed())
        await other.hear(Kind.ENDED)
        await other.say(Kind.OPEN, SHARE, SALT)
        await other.hear(Kind.DONE)
        other.wire.close()

    assert asyncio.run(scene.play(attack)) == [None, None]
    turned = [line for line in scene.notes if line.startswith("turned away: ")]
    assert len(turned) >= 4, scene.notes
    assert any("on another connection" in line for line in turned)
    assert len(scene.results) == 1


def test_an_epoch_is_never_played_twice(tmp_path: Path):
    """Not by a warden or a party that begins anew, nor with a device that has been reset."""
    (tmp_path / "verifier-4.jsonl").write_text("")
    (tmp_path / "warden-2.jsonl").write_text("")
    scene = Scene(tmp_path)
    warden, verifier, prover = asyncio.run(scene.play())
    for outcome in (warden, verifier, prover):
        assert isinstance(outcome, CoinError)
        assert (outcome.offence, outcome.by) == (Offence.REPLAYED, Speaker.WARDEN)
        assert "epoch 3 is not later than 4" in str(outcome)
    assert scene.link.seeds == []


def test_keys_must_be_three(tmp_path: Path):
    with pytest.raises(UsageError, match="keys of their own"):
        speakers(bytes(32), bytes(32), bytes([1]) * 32)


def test_a_transcript_that_was_changed_is_not_believed(tmp_path: Path):
    scene = Scene(tmp_path)
    asyncio.run(scene.play())
    path = tmp_path / "prover-1.jsonl"
    text = path.read_text()
    assert opened(path, PUBLIC) == scene.results[0]
    used = next(line for line in text.splitlines() if '"ended"' in line)
    path.write_text(text.replace(used, used[:-6] + ("0" if used[-6] != "0" else "1") + used[-5:]))
    with pytest.raises(CoinError, match=r"ended is not signed by the warden|no message"):
        opened(path, PUBLIC)
    path.write_text("".join(line + "\n" for line in text.splitlines() if '"opened"' not in line))
    with pytest.raises(CaptureError, match="there is no opened"):
        opened(path, PUBLIC)
    path.write_text("nothing")
    with pytest.raises(CaptureError, match="no transcript"):
        opened(path, PUBLIC)
