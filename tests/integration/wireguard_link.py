"""A WireGuard tunnel between the hub and the branch of `fib_namespaces`, by wireguard-go at both ends."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from fib_namespaces import Network
from made_network import run, wait_for


class WireGuard:
    """One WireGuard tunnel by wireguard-go between hub and branch, over the link that is the hub's WAN."""

    def __init__(self, network: Network) -> None:
        self.network = network
        tag = f"{os.getpid() % 100_000}{time.monotonic_ns() % 1000}"
        self.hub, self.branch = f"pmh{tag}", f"pmb{tag}"

    def build(self) -> None:
        network = self.network
        run("ip", "-n", network.branch, "addr", "add", "192.0.2.2/24", "dev", "isp")
        keys = {name: run("wg", "genkey").strip() for name in (self.hub, self.branch)}
        public = {
            name: subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True, check=True).stdout.strip()
            for name, key in keys.items()
        }
        for namespace, name, other, port, far, own in (
            (network.hub, self.hub, self.branch, 51820, None, "10.255.0.4/31"),
            (network.branch, self.branch, self.hub, 51821, "192.0.2.1:51820", "10.255.0.5/31"),
        ):
            inside = ("ip", "netns", "exec", namespace)
            subprocess.run([*inside, "wireguard-go", name], check=True, capture_output=True)
            wait_for(lambda name=name: Path(f"/var/run/wireguard/{name}.sock").exists(), "wireguard-go")
            peer = ["peer", public[other], "allowed-ips", "0.0.0.0/0"]
            peer += ["endpoint", far, "persistent-keepalive", "1"] if far else []
            key = Path(f"/dev/shm/{name}")
            key.write_text(keys[name])
            run(*inside, "wg", "set", name, "listen-port", str(port), "private-key", str(key), *peer)
            key.unlink()
            run("ip", "-n", namespace, "addr", "add", own, "dev", name)
            run("ip", "-n", namespace, "link", "set", name, "up")

    def remove(self) -> None:
        """wireguard-go ends with its interface."""
        for namespace, name in ((self.network.hub, self.hub), (self.network.branch, self.branch)):
            with suppress(AssertionError):
                run("ip", "-n", namespace, "link", "del", name)
            wait_for(lambda name=name: not Path(f"/var/run/wireguard/{name}.sock").exists(), "wireguard-go to end")
