# SPDX-License-Identifier: Apache-2.0
"""`custodes seal` and `open`: what is written, what is said, and every exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.capture import Capture, Format
from custodes.link import Link, Outcome
from custodes.macsec import Opening, Sealing, Side
from custodes.model import Sealer
from custodes.processor_registers import COUNTERS, OCTETS, Command, association_register
from tests.host.fake import START_NS, read_capture, write_capture
from tests.host.fake_processor import (
    KEY_A,
    KEY_B,
    KEYS_TOML,
    MIRROR_TOML,
    OWN,
    PEER,
    START_COUNT,
    FakeProcessor,
    keys,
    plain,
)

FRAMES = [plain(60), plain(13), plain(1518), plain(60, OWN), plain(200)]
"""The first, third and last leave sealed."""


def custodes(*arguments: object) -> Result:
    return CliRunner().invoke(commands.app, [str(argument) for argument in arguments], prog_name="custodes")


def fails(result: Result, code: int, message: str) -> None:
    """One line on stderr, nothing on stdout."""
    assert (result.exit_code, result.stdout) == (code, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("custodes: ") and message in result.stderr


Install = Callable[[Link], Link]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the link given be what every device name opens."""

    def install(link: Link) -> Link:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    install(FakeProcessor())
    return install


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With a capture and keys. Afterwards nothing else is in it but what commands were asked to write."""
    (tmp_path / "keys.toml").write_text(KEYS_TOML)
    (tmp_path / "mirror.toml").write_text(MIRROR_TOML)
    write_capture(tmp_path / "in.pcap", FRAMES)
    yield tmp_path
    expected = {"keys.toml", "mirror.toml", "in.pcap", "out.pcap", "out.pcapng", "back.pcap"}
    assert {path.name for path in tmp_path.iterdir()} <= expected


def test_seals_and_opens_again(folder: Path, device: Install) -> None:
    result = custodes("seal", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml", "--check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "5 in, 3 out, 2 dropped" in result.stdout
    for line in ("OutPktsTooShort", "OutPktsNoPeer", "02:00:00:00:00:02, AN 1, GCM-AES-256", "OutPktsEncrypted"):
        assert line in result.stdout
    assert result.stdout.splitlines()[-1] == "0 mismatches against the specification"
    wires = read_capture(folder / "out.pcap")
    assert [time for time, _ in wires] == [START_NS + i * 1001 for i in (0, 2, 4)]
    sealer = Sealer.of(keys())
    assert [frame for _, frame in wires] == [sealer.seal(frame).frame for frame in (FRAMES[0], FRAMES[2], FRAMES[4])]
    result = custodes("open", folder / "out.pcap", folder / "back.pcap", "--keys", folder / "mirror.toml", "--check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 in, 3 out, 0 dropped" in result.stdout and "InPktsOK" in result.stdout
    assert [frame for _, frame in read_capture(folder / "back.pcap")] == [FRAMES[0], FRAMES[2], FRAMES[4]]


def test_json_has_the_documented_keys(folder: Path, device: Install) -> None:
    options = ("--keys", folder / "keys.toml", "--check", "--json")
    found = json.loads(custodes("seal", folder / "in.pcap", folder / "out.pcap", *options).stdout)
    assert set(found.pop("speed")) == {"seconds", "frames_per_s", "megabytes_per_s"}
    verdict = "0 mismatches against the specification"
    assert found == {
        "input": str(folder / "in.pcap"),
        "output": str(folder / "out.pcap"),
        "device": "sim:processor",
        "lanes": 1,
        "keys": {"file": str(folder / "keys.toml"), "channels": 1},
        "frames": {"in": 5, "out": 3, "dropped": 2, "not_captured_whole": 0},
        "bytes": {"in": sum(map(len, FRAMES)), "out": 60 + 1518 + 200 + 3 * 32},
        "octets": 48 + 1506 + 188,
        "drops": {"OutPktsTooShort": 1, "OutPktsNoPeer": 1},
        "associations": [
            {
                "channel": 0,
                "station": "02:00:00:00:00:02",
                "an": 1,
                "suite": "GCM-AES-256",
                "counters": {"OutPktsEncrypted": 3, "OutPktsNotUsingSA": 0, "OutOctetsEncrypted": 48 + 1506 + 188},
            }
        ],
        "check": {"done": True, "mismatches": 0, "verdict": verdict, "first": [], "counters": []},
    }


def changed(at: int) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_opens_nothing_that_is_not_as_it_was_sealed(folder: Path, device: Install, check: tuple[str, ...]) -> None:
    sealer = Sealer.of(keys(MIRROR_TOML))
    frame = plain(100, OWN, PEER)
    wires = [sealer.seal(frame).frame or b"" for _ in range(7)]
    sent = [
        wires[5],
        changed(40)(wires[6]),
        wires[0],
        wires[5][:-1],
        changed(27)(wires[6]),
        changed(14)(wires[6]),
        changed(14)(changed(14)(wires[4])),
        frame,
        wires[6][:44],
    ]
    write_capture(folder / "in.pcap", sent)
    result = custodes("open", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml", "--json", *check)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["frames"]["out"]) == (0, 2)
    assert found["drops"] == {
        "InPktsNoTag": 1,
        "InPktsBadTag": 1,
        "InPktsNoSCI": 1,
        "InPktsNotUsingSA": 1,
        "InPktsLate": 1,
        "InPktsNotValid": 2,
    }
    assert [frame for _, frame in read_capture(folder / "out.pcap")] == [frame, frame]


def test_another_key_opens_nothing(folder: Path, device: Install) -> None:
    custodes("seal", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
    (folder / "mirror.toml").write_text(MIRROR_TOML.replace(KEY_A.hex(), KEY_B.hex()))
    options = ("--keys", folder / "mirror.toml", "--json")
    found = json.loads(custodes("open", folder / "out.pcap", folder / "back.pcap", *options).stdout)
    assert (found["frames"]["out"], found["drops"]) == (0, {"InPktsNotValid": 3})


@pytest.mark.parametrize(("name", "format"), [("out.pcap", Format.PCAP), ("out.pcapng", Format.PCAPNG)])
def test_writes_the_format_that_the_name_asks_for(folder: Path, device: Install, name: str, format: Format) -> None:
    custodes("seal", folder / "in.pcap", folder / name, "--keys", folder / "keys.toml")
    assert Capture(folder / name).format is format


def test_says_that_there_is_no_channel(folder: Path, device: Install) -> None:
    (folder / "keys.toml").write_text("")
    for command, kind in (("seal", "transmit"), ("open", "receive")):
        arguments = (command, folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
        result = custodes(*arguments)
        assert (result.exit_code, result.stderr) == (0, f"keys: no {kind} channel, so that every frame is dropped\n")
        assert custodes(*arguments, "--quiet").stderr == ""
    assert read_capture(folder / "out.pcap") == []


def another_byte(outcome: Outcome[Any]) -> Outcome[Any]:
    return outcome if outcome.frame is None else outcome._replace(frame=changed(50)(outcome.frame))


def plaintext(outcome: Outcome[Any]) -> Outcome[Any]:
    return Outcome(plain(60, OWN), Sealing.OUT_PKTS_ENCRYPTED) if outcome.frame is None else outcome


def denied(outcome: Outcome[Any]) -> Outcome[Any]:
    return Outcome(None, Sealing.OUT_PKTS_NOT_USING_SA)


@pytest.mark.parametrize(
    ("spoil", "count", "first"),
    [
        (another_byte, 3, "frame 1 from accelerator: differs from byte 50 on"),
        (plaintext, 2, "frame 2 from accelerator: device says OUT_PKTS_ENCRYPTED, specification OUT_PKTS_TOO_SHORT"),
        (denied, 5, "frame 1 from accelerator: device says OUT_PKTS_NOT_USING_SA, specification OUT_PKTS_ENCRYPTED"),
    ],
)
def test_a_device_that_differs_is_exit_6(
    folder: Path, device: Install, spoil: Callable[[Outcome[Any]], Outcome[Any]], count: int, first: str
) -> None:
    device(FakeProcessor(spoil))
    output = folder / "out.pcap"
    result = custodes("seal", folder / "in.pcap", output, "--keys", folder / "keys.toml", "--check")
    assert result.exit_code == 6
    assert first in result.stdout
    assert result.stderr == f"custodes: {count} mismatches against the specification; {output} is not written\n"
    assert not output.exists()


def test_a_device_that_lets_through_what_is_not_valid_is_exit_6(folder: Path, device: Install) -> None:
    forged = changed(60)(Sealer.of(keys(MIRROR_TOML)).seal(plain(100, OWN, PEER)).frame or b"")
    write_capture(folder / "in.pcap", [forged])
    device(FakeProcessor(lambda outcome: Outcome(plain(), Opening.IN_PKTS_OK)))
    options = ("--keys", folder / "keys.toml", "--check")
    result = custodes("open", folder / "in.pcap", folder / "out.pcap", *options)
    assert result.exit_code == 6
    assert "frame 1 from network: device says IN_PKTS_OK, specification IN_PKTS_NOT_VALID" in result.stdout
    assert not (folder / "out.pcap").exists()


ENCRYPTED = association_register(COUNTERS, Side.ACCELERATOR, 1) + Sealing.OUT_PKTS_ENCRYPTED
LIES = {
    "a counter that rests": (
        ENCRYPTED,
        START_COUNT,
        "counter 'OutPktsEncrypted' rose by 0, not 3",
        " of channel 0, AN 1",
    ),
    "octets": (
        association_register(OCTETS, Side.ACCELERATOR, 1),
        0xFFFF_FFF6,
        "counter 'OutOctetsEncrypted' rose by 4294967296, not 1742",
        " of channel 0, AN 1",
    ),
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize(("check", "code"), [((), 5), (("--check",), 6)])
def test_counters_that_contradict_the_outcomes_are_no_success(
    folder: Path, device: Install, name: str, check: tuple[str, ...], code: int
) -> None:
    address, value, text, which = LIES[name]
    device(FakeProcessor(registers={address: value}))
    output = folder / "out.pcap"
    result = custodes("seal", folder / "in.pcap", output, "--keys", folder / "keys.toml", *check)
    assert (result.exit_code, output.exists()) == (code, False)
    assert (text.replace("' rose", f"{which}' rose") if check else text) in result.stdout
    if not check:
        assert f"the device contradicts its own counters: {text}" in result.stderr


def test_a_frame_counted_under_another_association_is_exit_6(folder: Path, device: Install) -> None:
    class Misplacing(FakeProcessor):
        def read(self, address: int) -> int:
            other = association_register(COUNTERS, Side.ACCELERATOR, 2)
            return super().read({ENCRYPTED: other, other: ENCRYPTED}.get(address, address))

    device(Misplacing())
    options = ("--keys", folder / "keys.toml", "--check")
    result = custodes("seal", folder / "in.pcap", folder / "out.pcap", *options)
    assert result.exit_code == 6
    assert "counter 'OutPktsEncrypted of channel 0, AN 1' rose by 0, not 3" in result.stdout
    assert "counter 'OutPktsEncrypted of channel 0, AN 2' rose by 3, not 0" in result.stdout


def test_a_bad_keys_file_is_exit_4_and_shows_no_key(folder: Path, device: Install) -> None:
    arguments = ("seal", folder / "in.pcap", folder / "out.pcap", "--keys")
    fails(custodes(*arguments, folder / "none"), 4, "No such file or directory")
    (folder / "keys.toml").write_text(KEYS_TOML.replace(KEY_A.hex(), KEY_A.hex()[1:]))
    result = custodes(*arguments, folder / "keys.toml", "-v")
    fails(result, 4, "transmit.0.association.0.key: is not a string of pairs of hexadecimal digits")
    assert KEY_A.hex()[8:16] not in result.output


def test_no_report_shows_a_key(folder: Path, device: Install) -> None:
    arguments = ("seal", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml", "-v", "--check")
    for more in ((), ("--json",)):
        text = custodes(*arguments, *more).output
        assert KEY_A.hex()[:8] not in text and "b'" not in text


def test_a_device_that_is_not_there_or_refuses_is_exit_5(folder: Path, device: Install) -> None:
    device(FakeProcessor(refuses=[Command.LOAD]))
    arguments = ("seal", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
    fails(custodes(*arguments), 5, "the device refuses to load")
    assert not (folder / "out.pcap").exists()


def test_an_unknown_device_is_exit_5(folder: Path) -> None:
    arguments = ("seal", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
    fails(custodes(*arguments, "--device", "serial:none"), 5, "no such device")
    fails(custodes(*arguments, "--device", "sim:warden"), 5, "the device is no processor: its identity is 0x43555354")


def test_a_bad_capture_or_output_is_exit_3(folder: Path, device: Install) -> None:
    source, output, secrets = folder / "in.pcap", folder / "out.pcap", folder / "keys.toml"
    fails(custodes("open", folder / "none", output, "--keys", secrets), 3, "No such file or directory")
    fails(custodes("open", source, source, "--keys", secrets), 3, "is the input")
    fails(custodes("open", source, secrets, "--keys", secrets), 3, "needs a file of its own")
    fails(custodes("open", source, output, "--keys", secrets, "--waveform", secrets), 3, "needs a file of its own")
    assert secrets.read_text() == KEYS_TOML and len(read_capture(source)) == len(FRAMES)


@pytest.mark.parametrize("command", ["seal", "open"])
def test_keys_are_asked_for_and_the_exit_codes_documented(folder: Path, command: str) -> None:
    result = custodes(command, folder / "in.pcap", folder / "out.pcap")
    assert (result.exit_code, result.stdout) == (2, "") and "--keys" in result.stderr
    assert (
        "\n  4    the policy or the provisioning file is bad, or keys, weights, a request or an order are\n"
        in custodes(command, "--help").stdout.replace("\n    ", "\n  ")
    )


def test_info_shows_what_a_processor_does(device: Install) -> None:
    found = json.loads(custodes("info", "--device", "sim:processor", "--json").stdout)
    assert found["device"] == {"name": "sim:processor", "identity": "0x43555350", "lanes": 1}
    assert found["sessions"]["suites"] == ["GCM-AES-128", "GCM-AES-256", "GCM-AES-XPN-128", "GCM-AES-XPN-256"]
    assert found["sessions"]["transmit_associations"] == "0 in use"
    text = custodes("info", "--device", "sim:processor").stdout
    assert "identity 0x43555350" in text and "16 in each direction" in text and "Scrub table" not in text
