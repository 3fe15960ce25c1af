# SPDX-License-Identifier: Apache-2.0
"""Keys files: the channels they mean, the line that says what is wrong, and that no line shows a key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from custodes.errors import KeysError
from custodes.keys import MAX_FILE_BYTES, Keys, load_keys
from custodes.macsec import CHANNELS, Suite
from tests.host.fake_processor import KEY_A, KEY_B, KEYS_TOML, OWN, PEER, SCI_OWN, SCI_PEER

SECRET = "5ec12e7000112233445566778899aabb"
SALT = "5ec12e700011223344556677"
XPN = f'suite = "GCM-AES-XPN-128", key = "{SECRET}", salt = "{SALT}", ssci = 7'


def transmit(association: str, more: str = "", peer: str = "02:00:00:00:00:02", sci: str = "0200000000010001") -> str:
    return f'[[transmit]]\npeer = "{peer}"\nsci = "{sci}"\n{more}\nassociation = [{association}]\n'


def receive(association: str = "", more: str = "", sci: str = "0200000000010001") -> str:
    return f'[[receive]]\nsci = "{sci}"\n{more}\nassociation = [{association}]\n'


def one(an: int = 0, suite: str = "GCM-AES-128", key: str = SECRET, more: str = "") -> str:
    return f'{{ an = {an}, suite = "{suite}", key = "{key}"{more} }}'


BROKEN = {
    "no TOML": ("= =", "not TOML: line 1, column 1"),
    "cut": ("[[transmit", "not TOML: "),
    "a key that is no string": (f"[[receive]]\nkey = {SECRET}", "not TOML: line 2"),
    "a key that is not closed": (f'[[receive]]\nkey = "{SECRET}', "not TOML: end of document"),
    "other encoding": (KEYS_TOML.encode("utf-16"), "not TOML"),
    "too large": ("#" * (MAX_FILE_BYTES + 1), "larger than 1048576 bytes"),
    "unknown table": ("[[send]]", "send: no such key"),
    "unknown key": (transmit(one(), "windw = 1"), "transmit.0.windw: no such key"),
    "unknown key of an association": (receive(one(more=", lifetime = 1")), "receive.0.association.0.lifetime: no such"),
    "a key for a name": (receive(more=f'{SECRET} = "key"'), "receive.0.(a long name): no such key"),
    "window of a transmit channel": (transmit(one(), "window = 1"), "transmit.0.window: no such key"),
    "peer of a receive channel": (receive(one(), 'peer = "02:00:00:00:00:02"'), "receive.0.peer: no such key"),
    "no peer": ("[[transmit]]\nsci = '0200000000010001'", "transmit.0.peer: is missing"),
    "no SCI": ("[[receive]]", "receive.0.sci: is missing"),
    "no AN": (receive("{}"), "receive.0.association.0.an: is missing"),
    "no suite": (receive(f'{{ an = 0, key = "{SECRET}" }}'), "receive.0.association.0.suite: is missing"),
    "no key": (receive('{ an = 0, suite = "GCM-AES-128" }'), "receive.0.association.0.key: is missing"),
    "bad peer": (transmit(one(), peer=SECRET), "transmit.0.peer: is not a MAC address"),
    "bad SCI": (receive(sci=SECRET), "receive.0.sci: is neither 16 hexadecimal digits nor"),
    "bad port of an SCI": (receive(sci="02:00:00:00:00:01/65536"), "receive.0.sci: is neither"),
    "number for an SCI": ("[[receive]]\nsci = 5", "receive.0.sci: is neither"),
    "unknown suite": (
        receive(one(suite="GCM-AES-192")),
        "0.suite: is none of GCM-AES-128, GCM-AES-256, GCM-AES-XPN-128",
    ),
    "a key for a suite": (receive(one(suite=SECRET)), "receive.0.association.0.suite: is none of"),
    "number for a suite": (receive('{ an = 0, suite = 1, key = "00" }'), "receive.0.association.0.suite: is none of"),
    "AN": (receive(one(an=4)), "receive.0.association.0.an: Input should be less than 4"),
    "AN twice": (receive(f"{one()}, {one()}"), "receive.0: association: AN 0 is listed twice"),
    "truth for an AN": (receive(one().replace("0", "true", 1)), "receive.0.association.0.an: should be a whole number"),
    "short key": (receive(one(key=SECRET[2:])), "association.0: key: should have 32 hexadecimal digits, not 30"),
    "key of another suite": (receive(one(suite="GCM-AES-256")), "key: should have 64 hexadecimal digits, not 32"),
    "odd key": (receive(one(key=SECRET[1:])), "association.0.key: is not a string of pairs of hexadecimal digits"),
    "key with a stranger": (receive(one(key=SECRET[:-1] + "g")), "association.0.key: is not a string of pairs"),
    "empty key": (receive(one(key="")), "association.0.key: is not a string of pairs"),
    "number for a key": (receive('{ an = 0, suite = "GCM-AES-128", key = 5 }'), "association.0.key: is not a string"),
    "PN 0": (receive(one(more=", pn = 0")), "association.0.pn: Input should be greater than or equal to 1"),
    "PN of 33 bits": (receive(one(more=f", pn = {1 << 32}")), "association.0: pn: GCM-AES-128 ends at 4294967295"),
    "PN of 65 bits": (
        receive(f"{{ an = 0, {XPN}, pn = {1 << 64} }}"),
        "pn: GCM-AES-XPN-128 ends at 18446744073709551615",
    ),
    "salt too many": (receive(one(more=f', salt = "{SALT}"')), "salt: has no meaning for GCM-AES-128"),
    "SSCI too many": (receive(one(more=", ssci = 0")), "ssci: has no meaning for GCM-AES-128"),
    "no salt": (receive(one(suite="GCM-AES-XPN-128", more=", ssci = 1")), "salt: is missing for GCM-AES-XPN-128"),
    "no SSCI": (
        receive(one(suite="GCM-AES-XPN-128", more=f', salt = "{SALT}"')),
        "ssci: is missing for GCM-AES-XPN-128",
    ),
    "short salt": (
        receive(one(suite="GCM-AES-XPN-128", more=f', ssci = 1, salt = "{SALT[2:]}"')),
        "salt: should have 24 hexadecimal digits, not 22",
    ),
    "long SSCI": (receive(f"{{ an = 0, {XPN}0000000000 }}"), "ssci: Input should be less than or equal to 4294967295"),
    "window": (receive(more=f"window = {(1 << 20) + 1}"), "window: Input should be less than or equal to 1048576"),
    "AN without association": (transmit(one(), "an = 1"), "transmit.0: an: there is no association with AN 1"),
    "no association": (transmit(""), "transmit.0: an: there is no association with AN 0"),
    "peer twice": (2 * transmit(one()), ": transmit: peer 02:00:00:00:00:02 is listed twice"),
    "SCI twice": (2 * receive(), ": receive: SCI 0200000000010001 is listed twice"),
    "too many channels": (
        "".join(receive(sci=f"{i:016x}") for i in range(CHANNELS + 1)),
        ": receive: 17 channels; the device takes 16",
    ),
    "an IV twice in a channel": (
        transmit(f"{one()}, {one(an=1)}"),
        ": transmit.0 AN 0 and transmit.0 AN 1: have the same key and could use an IV twice",
    ),
    "an IV twice in two channels": (
        transmit(one()) + transmit(one(an=2), "an = 2", peer="02:00:00:00:00:03"),
        ": transmit.0 AN 0 and transmit.1 AN 2: have the same key",
    ),
    "an extended IV twice": (
        transmit(f"{{ an = 0, {XPN} }}") + transmit(f"{{ an = 0, {XPN} }}", peer=OWN.hex(":"), sci="00" * 8),
        ": transmit.0 AN 0 and transmit.1 AN 0: have the same key",
    ),
    "an IV of both kinds twice": (
        transmit(f"{{ an = 0, {XPN} }}") + transmit(one(), peer=OWN.hex(":"), sci="5ec12e7700000000"),
        ": transmit.0 AN 0 and transmit.1 AN 0: have the same key",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_says_what_is_wrong_and_shows_no_key(tmp_path: Path, name: str) -> None:
    text, message = BROKEN[name]
    path = tmp_path / "keys.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(KeysError) as caught:
        load_keys(path)
    found = str(caught.value)
    assert found.startswith(f"{path}: ") and message in found
    assert "\n" not in found and "Value error" not in found
    assert not any(secret[at : at + 6] in found for secret in (SECRET, SALT) for at in range(len(secret) - 5))


def test_takes_channels_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(KEYS_TOML + receive(f"{{ an = 3, {XPN}, pn = 0x1_0000_0000 }}"))
    found = load_keys(path)
    (channel,) = found.transmit
    assert (channel.peer, channel.sci, channel.an) == (PEER, SCI_OWN, 1)
    assert [(a.an, a.suite, a.key, a.pn) for a in channel.association] == [(1, Suite.GCM_AES_256, KEY_A, 1)]
    first, second = found.receive
    assert (first.sci, first.window, first.association[0].key) == (SCI_PEER, 4, KEY_B)
    (extended,) = second.association
    assert (extended.suite, extended.pn, extended.ssci) == (Suite.GCM_AES_XPN_128, 1 << 32, 7)
    assert (extended.key.hex(), extended.salt.hex()) == (SECRET, SALT)
    assert (second.sci, second.window) == (SCI_OWN, 0)


@pytest.mark.parametrize(
    "text",
    [
        transmit(one()) + transmit(one(), peer="02:00:00:00:00:03", sci="0200000000010002"),
        transmit(one()) + receive(one()),
        transmit(f"{{ an = 0, {XPN} }}, {{ an = 1, {XPN}0 }}"),
    ],
)
def test_takes_a_key_that_never_meets_an_iv_twice(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    assert load_keys(path).transmit


def test_takes_the_example_of_the_readme(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    example = readme[readme.index("[[transmit]]") :].partition("```")[0]
    path = tmp_path / "keys.toml"
    path.write_text(example.replace('key = "..."', f'key = "{2 * SECRET}"').replace('salt = "..."', f'salt = "{SALT}"'))
    found = load_keys(path)
    assert [channel.sci for channel in (*found.transmit, *found.receive)] == [SCI_OWN, SCI_PEER]


def test_keys_do_not_show_themselves(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(receive(f"{{ an = 3, {XPN} }}"))
    text = repr(load_keys(path))
    assert "GCM_AES_XPN_128" in text and "key" not in text and "salt" not in text


def test_an_empty_file_has_no_channels(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.touch()
    assert load_keys(path) == Keys()


def test_says_that_a_file_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(KeysError, match=f"{path}: {reason}"):
            load_keys(path)


READ = (
    "from pathlib import Path; from custodes.keys import load_keys; print(load_keys(Path({!r})).transmit[0].peer.hex())"
)


def reads(name: str, **streams: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", READ.format(name)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **streams,  # pyright: ignore[reportArgumentType, reportCallIssue]
    )


def test_reads_standard_input() -> None:
    assert reads("-", input=KEYS_TOML).stdout == f"{PEER.hex()}\n"
    assert "KeysError: standard input: not TOML: line 1, column 1" in reads("-", input="= =").stderr


def test_reads_a_file_descriptor() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(KEYS_TOML)
    assert reads(f"/dev/fd/{reading}", pass_fds=[reading]).stdout == f"{PEER.hex()}\n"
    os.close(reading)
