# SPDX-License-Identifier: Apache-2.0
"""What the two hosts do on the wire: one function per scene, every frame made by a real program."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.captures.world import HERE, PORT, World

Scene = Callable[[World], None]

CLOSED_PORT = 9
PAGE_BYTES = {"short.txt": 600, "long.txt": 8_000}

NGINX = """
daemon off; user root; worker_processes 1; pid {directory}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off; server_tokens off; default_type text/plain;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{ listen 80 fastopen=16; listen [::]:80 fastopen=16 ipv6only=on; root {directory}/pages; }}
}}
"""

SSHD = """
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
DebianBanner no
PidFile none
"""

SSH_OPTIONS = (
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "GlobalKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
)

NAMES = (
    "--host-record=www.example,192.0.2.2,2001:db8::2",
    "--txt-record=text.example," + ",".join(["some words of text"] * 8),
    *(f"--txt-record=long.example,{number} {'more words of text ' * 12}" for number in range(12)),
    "--local=/example/",
    "--edns-packet-max=4096",
)


def open_house(world: World) -> None:
    """Start the server's programs and wait until they answer."""
    server, directory = world.server, world.directory
    (directory / "pages").mkdir()
    for name, length in PAGE_BYTES.items():
        lines = "".join(f"line {number} of {name}\n" for number in range(length))
        (directory / "pages" / name).write_text(lines[:length])
    world.start(server, "nginx", "-e", "stderr", "-c", _write(directory / "nginx.conf", NGINX))

    for port in (53, 443):
        # The second one is DNS where QUIC would be: UDP port 443 is what matters to a scrubber.
        advertise = ("--enable-ra", "--dhcp-range=2001:db8::,ra-only", "--leasefile-ro") if port == 53 else ()
        quiet = ("--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--user=root", "--log-facility=-")
        world.start(server, "dnsmasq", "--keep-in-foreground", f"--port={port}", *quiet, *NAMES, *advertise)

    for key in ("host_key", "user_key"):
        world.run(server, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", directory / key)
    # The private /run is seen by this sshd only; it wants a directory there that a machine without sshd lacks.
    own_run = 'mount -t tmpfs tmpfs /run && mkdir -p /run/sshd && exec "$@"'
    configuration = _write(directory / "sshd.conf", SSHD)
    world.start(server, "sh", "-c", own_run, "sh", "/usr/sbin/sshd", "-D", "-e", "-f", configuration)

    world.start(server, "iperf3", "-s")
    for address in (server.ip4, server.ip6):
        world.start(server, sys.executable, HERE / "sockets.py", "serve", address)
    for port in (22, 53, 80, 443, 5201, 7001, 7002, 7003):
        world.listens(server, port)
    world.lose_data(server)


def neighbours(world: World) -> None:
    """ARP and neighbour discovery, with the router's answer."""
    client, server = world.client, world.server
    for host in world.hosts:
        world.run(host, "ip", "neighbour", "flush", "dev", PORT)
    # Answers are welcome, not needed: a probe alone already is the frame wanted.
    world.run(client, "arping", "-c", "2", "-I", PORT, server.ip4, ok=(0, 1))
    world.run(client, "ndisc6", "-1", server.ip6, PORT, ok=(0, 1, 2))
    world.run(client, "rdisc6", "-1", PORT, ok=(0, 1, 2))


def pings(world: World) -> None:
    """Echoes of several lengths and classes, and in fragments."""
    for address in (world.server.ip4, world.server.ip6):
        for arguments in ("-c 3", "-c 2 -s 1400 -Q 0x28", "-c 2 -Q 0xb9", "-c 1 -Q 0x03 -s 0", "-c 2 -s 4000 -M dont"):
            world.run(world.client, "ping", "-i", "0.2", *arguments.split(), address)
    world.run(world.client, "ping", "-c", "1", "-R", world.server.ip4)  # record route: an IPv4 option


def names(world: World) -> None:
    """DNS over UDP and TCP, and on UDP port 443."""
    for address in (world.server.ip4, world.server.ip6):
        for port in ("53", "443"):
            for question in ("www.example A", "www.example AAAA", "text.example TXT", "none.example A"):
                world.run(world.client, "dig", f"@{address}", "-p", port, *question.split())
        world.run(world.client, "dig", f"@{address}", "+tcp", "text.example", "TXT")
        # Longer than a frame: the answer comes in fragments.
        world.run(world.client, "dig", f"@{address}", "+bufsize=4096", "+ignore", "long.example", "TXT")


def web(world: World) -> None:
    """HTTP, untagged and tagged."""
    server = world.server
    for address in (server.ip4, server.ip6, server.tagged_ip4, server.tagged_ip6):
        _curl(world, address, "short.txt")
        _curl(world, address, "long.txt")


def fast_open(world: World) -> None:
    """TCP Fast Open: the first connection fetches a cookie, the next ones send data in the SYN."""
    for address in (world.server.ip4, world.server.ip6):
        for _ in range(3):
            _curl(world, address, "short.txt", "--tcp-fastopen")


def shell(world: World) -> None:
    """One command over ssh."""
    options = [word for option in SSH_OPTIONS for word in ("-o", option)]
    key = world.directory / "user_key"
    world.run(world.client, "ssh", "-F", "/dev/null", "-i", key, *options, f"root@{world.server.ip4}", "seq 2000")


def bulk(world: World) -> None:
    """TCP under loss, with whole and short segments, and back."""
    for address, service in ((world.server.ip4, "0x28"), (world.server.ip6, "0xb8")):
        for arguments in ("-n 108K -l 9K -C cubic", "-n 24K -l 8K -M 536", "-n 24K -l 8K -R"):
            world.run(world.client, "iperf3", "-c", address, "-S", service, *arguments.split())


def errors(world: World) -> None:
    """ICMP errors and refused connections at ports where nobody listens."""
    for address in (world.server.ip4, world.server.ip6):
        question = ("dig", f"@{address}", "-p", str(CLOSED_PORT), "+tries=1", "+time=1", "www.example")
        world.run(world.client, *question, ok=(0, 9))
        _curl(world, address, "short.txt", port=CLOSED_PORT, ok=(7,))


def urgent(world: World) -> None:
    """Urgent data, and connections that end in a reset."""
    for address in (world.server.ip4, world.server.ip6):
        world.run(world.client, sys.executable, HERE / "sockets.py", "talk", address)


def bridge(world: World) -> None:
    """Spanning tree: the server's port joins a bridge for some seconds and leaves it again."""
    link = ("ip", "link")
    world.run(world.server, *link, "add", "bridge0", "address", world.server.mac, "type", "bridge", "stp_state", "1")
    world.run(world.server, *link, "set", PORT, "master", "bridge0")
    world.run(world.server, *link, "set", "bridge0", "up")
    time.sleep(5)  # a hello every two seconds
    world.run(world.server, *link, "del", "bridge0")


MIXED: Sequence[Scene] = (pings, names, web, fast_open, shell, bulk, errors, urgent)
SMALL: Sequence[Scene] = (neighbours, pings, names, web, errors, urgent)


def play_together(world: World, scenes: Sequence[Scene]) -> None:
    """Play the scenes at the same time, so that their frames mix on the wire."""
    with ThreadPoolExecutor(len(scenes)) as pool:
        for scene in [pool.submit(scene, world) for scene in scenes]:
            scene.result()


def _curl(world: World, address: str, page: str, *options: str, port: int = 80, ok: Sequence[int] = (0,)) -> None:
    host = f"[{address}]" if ":" in address else address
    words = ("curl", "-q", "-sS", "-o", "/dev/null", "-m", "30", *options)
    world.run(world.client, *words, f"http://{host}:{port}/{page}", ok=ok)


def _write(path: Path, template: str) -> Path:
    path.write_text(template.format(directory=path.parent))
    return path
