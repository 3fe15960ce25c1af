# SPDX-License-Identifier: Apache-2.0
"""`custodes info`: what a device is, and what it does."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated, Any

import typer

from custodes.command_line import JsonOption, LanesOption, QuietOption, VerboseOption, command, screen
from custodes.control_commands import control_json, runs
from custodes.device import Warden, opened
from custodes.firmware import Firmware
from custodes.gateway import REASONS, Gateway
from custodes.macsec import (
    ASSOCIATIONS_PER_CHANNEL,
    MAX_PLAIN_BYTES,
    MAX_WINDOW,
    MIN_PLAIN_BYTES,
    Side,
    Suite,
)
from custodes.mailbox import Item
from custodes.nic import Nic
from custodes.policy import MAX_ADDRESSES, Policy
from custodes.processor import Processor
from custodes.recognition import map_of, recognised
from custodes.registers import IDENTITY
from custodes.table import PASSED, SCRUBBED


@command
def info(
    device: Annotated[
        str,
        typer.Option("--device", metavar="NAME", help="The device: sim:warden, sim:nic[:FILE], serial:PATH[@BAUD]."),
    ] = "sim:warden",
    prove: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Make a device with control sign who it is, which takes a while.")
    ] = True,
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the version, and what a device is and does.

    Of a warden: the policy's defaults and the rows of the scrub table; of a processor: its cipher suites and limits; of a
    device with control also its lifecycle, what it was built from, what it is provisioned with, and who it is; of a gateway
    what it does with its server.
    """
    display = screen(quiet, verbose)
    with opened(recognised, device, lanes) as found, display.waiting() as wait:
        identity = found.link.read(IDENTITY)
        if isinstance(found, Nic):
            wait("the device proves who it is" if prove else "the device answers")
            found.booted()
        gateway = Gateway(found.link) if "GATEWAY_IDENTITY" in map_of(found) else None
        does = _warden_facts(found) if isinstance(found, Warden) else _processor_facts(gateway or found)
        does |= _nic_facts(found, prove) if isinstance(found, Nic) else {}
        does |= _gateway_facts(gateway) if gateway else {}
    facts = {
        "version": version(),
        "device": {"name": device, "identity": f"{identity:#010x}", "lanes": lanes},
        **does,
    }
    if as_json:
        display.json(facts)
    else:
        display.info(facts)


def _nic_facts(nic: Nic, prove: bool) -> dict[str, Any]:
    """Keys: ``control`` as in `custodes.control_commands.control_json`; ``firmware``: its version; ``items`` that are
    kept (name -> ``bytes``, ``sha256``); ``proved`` (``identity_key``, ``agreement_key``, ``provisioning_digest``).
    Null where the firmware does not run, or does not say."""
    facts: dict[str, Any] = {"control": control_json(nic), "firmware": None, "items": None, "proved": None}
    if not runs(nic.lifecycle):
        return facts
    firmware = Firmware(nic)
    said = firmware.info()
    facts["firmware"] = said.version
    if said.error:
        return facts
    kept = {item: firmware.kept(item) for item in Item}
    facts["items"] = {item.name: {"bytes": one.length, "sha256": one.sha256.hex()} for item, one in kept.items() if one}
    if prove:
        identity = firmware.identify()
        facts["proved"] = {
            "identity_key": identity.identity_key.hex(),
            "agreement_key": identity.agreement_key.hex(),
            "provisioning_digest": identity.provisioning_digest.hex(),
        }
    return facts


def _gateway_facts(gateway: Gateway) -> dict[str, Any]:
    state = gateway.registers.fields("UPLOAD_STATE")
    return {
        "gateway": {
            "mode": gateway.mode.name.lower(),
            "power": "on" if state["POWER"] else f"off: {REASONS[gateway.fault]}",
            "weights": f"{gateway.counted} bytes have come",
            "epoch": gateway.registers.read("EPOCH"),
            "random_words": "an alarm: there are none" if gateway.registers.field("RANDOM_STATE", "ALARM") else "come",
        }
    }


def _processor_facts(found: Processor | Nic) -> dict[str, Any]:
    processor = found if isinstance(found, Processor) else Processor(found.link)
    return {
        "sessions": {
            "suites": [suite.title for suite in Suite],
            "channels": f"{processor.channels} in each direction, {ASSOCIATIONS_PER_CHANNEL} associations each",
            "transmit_associations": f"{processor.in_use(Side.ACCELERATOR)} in use",
            "receive_associations": f"{processor.in_use(Side.NETWORK)} in use",
            "frames": f"{MIN_PLAIN_BYTES} to {MAX_PLAIN_BYTES} bytes before sealing",
            "replay_window": f"at most {MAX_WINDOW} frames",
            "tampered": "yes" if processor.tampered else "no",
        }
    }


def _warden_facts(warden: Warden) -> dict[str, Any]:
    policy, flows = Policy(), warden.flows
    passed = {row.key for row in (*SCRUBBED, *PASSED) if row in PASSED or (row.stateful and not flows)}
    return {
        "policy_defaults": {
            "ethertypes": sorted(policy.ethertypes),
            "protocols": sorted(policy.protocols),
            "vlans": [str(vlan) for vlan in policy.vlans],
            "ttl": policy.ttl,
            "tcp_mss": policy.tcp.mss,
            "udp_deny_ports": list(policy.udp.deny_ports),
            "addresses": f"at most {MAX_ADDRESSES}",
            "flow_slots": flows,
        },
        "table": [
            {
                "key": row.key,
                "title": row.title,
                "action": "passes" if row.key in passed else row.action.name.lower(),
                "bits": row.bits,
                "after": row.bits if row.key in passed else row.after,
                "breaks": row.breaks,
            }
            for row in (*SCRUBBED, *PASSED)
        ],
    }


def version() -> str:
    """Of this host."""
    try:
        return importlib.metadata.version("custodes")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
