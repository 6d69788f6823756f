"""A hub and a branch's router, each with its own charon, joined by two internet connections.

hub  up1 10.9.1.1/24 ------ 10.9.1.2/24 w1  branch     tunnel bandung/fiber:    172.31.0.0 - 172.31.0.1
     up2 10.9.2.1/24 ------ 10.9.2.2/24 w2             tunnel bandung/wireless: 172.31.0.2 - 172.31.0.3
     loopbacks 10.254.0.0 - 10.254.0.1 and 10.254.0.2 - 10.254.0.3
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from made_network import DEADLINE, MadeNetwork, run, wait_for

from hub.lab.strongswan import charon_command, kernel_has_esp, prepare, swanctl_command
from hub.provisioner.wanted import WantedIpsec

ROOT = Path(__file__).parents[2]
SECRET = "correct horse battery staple 2026"  # noqa: S105
INNER = "gre" if os.environ.get("POINTSMAN_KERNEL_MACHINE") else "vxlan"
"""What most tests have inside: what RouterOS has, where the kernel is a distribution's (scripts/test-kernel)."""
CONNECTION = "pointsman-kencana.bandung.fiber"
OTHER_CONNECTION = "pointsman-kencana.bandung.wireless"


def why_not(inner: str) -> str:
    """Why this kernel cannot have such an interface, as a trial in a namespace shows; empty where it can."""
    if inner == "xfrm" and not kernel_has_esp():
        return "this kernel has no ESP, and strongSwan's own knows no XFRM interfaces"
    kinds = {
        "gre": "type gre local 127.0.0.1 remote 127.0.0.2",
        "vxlan": "type vxlan id 1 local 127.0.0.1 remote 127.0.0.2 dstport 4789",
        "xfrm": "type xfrm if_id 1",
    }
    script = f"ip link set lo up && ip link add name trial {kinds[inner]}"
    tried = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"this kernel makes no {inner} interface: {tried.stderr.strip()}"


def tunnel(name: str = "fiber", inner: str = INNER, **changes: Any) -> WantedIpsec:
    """The hub's end of one of the two tunnels."""
    number = {"fiber": 1, "wireless": 2}[name]
    base = 2 * number - 2
    wanted = WantedIpsec(
        tunnel=f"bandung/{name}",
        interface=f"pm-{name}",
        addresses=(f"172.31.0.{base}/31",),
        mtu=1300,
        uplink=f"up{number}",
        mark=28672 + number,
        number=50000 + number,
        local=f"10.9.{number}.1",
        remote=None,
        hub_identity=f"hub.bandung-{name}",
        branch_identity=f"bandung-{name}",
        secret_file=f"bandung-{name}.psk",
        certificate_file=None,
        key_file=None,
        authority_file=None,
        inner=inner,
        loopback=None if inner == "xfrm" else f"10.254.0.{base}",
        branch_loopback=None if inner == "xfrm" else f"10.254.0.{base + 1}",
        allowed=("192.168.1.0/24", "172.31.0.1/32", "172.31.0.3/32"),
        ike=("aes256-sha256-ecp256",),
        esp=("aes256gcm16-ecp256",),
        version=2,
        rekey_ike=14400,
        rekey_child=3000,
    )
    return replace(wanted, **changes)


@dataclass(slots=True)
class Charon:
    """A Charon is a running daemon in a namespace, with its files."""

    namespace: str
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def vici(self) -> Path:
        """Where it is configured."""
        return self.directory / "charon.vici"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["ip", "netns", "exec", self.namespace, *charon_command(self.directory)]
        with (self.directory / "out").open("ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_for(lambda: "strongSwan" in self.swanctl("--version", "--daemon", check=False), "charon")

    def kill(self) -> None:
        """As a crash would: nobody is told anything."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As systemd would: peers are told."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE)

    def swanctl(self, *arguments: str, check: bool = True) -> str:
        """What swanctl says."""
        return run(*swanctl_command(self.directory, *arguments), check=check)

    def configure(self, text: str) -> None:
        """Load this swanctl.conf, and nothing else."""
        (self.directory / "swanctl" / "swanctl.conf").write_text(text)
        self.swanctl("--load-all", "--noprompt")

    def log(self) -> str:
        """What it wrote."""
        return (self.directory / "charon.log").read_text()


def branch_connection(wanted: WantedIpsec, *, start: str = "start", **changes: str) -> str:
    """The branch's end of a tunnel as swanctl.conf has it; `changes` replace a line's value."""
    number = wanted.number - 50000
    values = {
        "proposals": wanted.ike[0],
        "esp_proposals": wanted.esp[0],
        "id": wanted.branch_identity,
        "remote_ts": f"{wanted.loopback}/32" if wanted.loopback else "0.0.0.0/0",
        "local_ts": f"{wanted.branch_loopback}/32" if wanted.branch_loopback else "0.0.0.0/0",
        "local_addrs": f"10.9.{number}.2",
        "remote_addrs": f"10.9.{number}.1",
        "version": "2",
        "aggressive": "no",
        "hub_id": wanted.hub_identity,
        **changes,
    }
    if_id = f"if_id_in = {wanted.number}\n if_id_out = {wanted.number}" if wanted.inner == "xfrm" else ""
    return f"""
{wanted.uplink} {{
  version = {values["version"]}
  aggressive = {values["aggressive"]}
  local_addrs = {values["local_addrs"]}
  remote_addrs = {values["remote_addrs"]}
  proposals = {values["proposals"]}
  keyingtries = 0
  dpd_delay = 1s
  mobike = no
  local {{
    auth = psk
    id = {values["id"]}
  }}
  remote {{
    auth = psk
    id = {values["hub_id"]}
  }}
  children {{
    {wanted.uplink} {{
      local_ts = {values["local_ts"]}
      remote_ts = {values["remote_ts"]}
      esp_proposals = {values["esp_proposals"]}
      start_action = {start}
      close_action = start
      dpd_action = restart
      {if_id}
    }}
  }}
}}
"""


def branch_secret(wanted: WantedIpsec, secret: str = SECRET) -> str:
    """The branch's secret of a tunnel as swanctl.conf has it."""
    identities = f'id-a = {wanted.hub_identity}\n id-b = {wanted.branch_identity}\n secret = "{secret}"'
    return f"ike-{wanted.uplink} {{\n {identities}\n}}\n"


class Network(MadeNetwork):
    """A Network is the two namespaces, their daemons, and the provisioner's process in the hub."""

    def __init__(self, directory: Path) -> None:
        unique = f"{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        self.directory = directory
        self.hub, self.branch = f"pm-ike-h-{unique}", f"pm-ike-b-{unique}"
        userspace = not kernel_has_esp()
        for node in ("hub", "branch"):
            prepare(directory / node, userspace=userspace)
        self.hub_charon = Charon(self.hub, directory / "hub")
        self.branch_charon = Charon(self.branch, directory / "branch")
        self.state = directory / "state"
        self.provisioner: subprocess.Popen[str] | None = None

    def build(self) -> None:
        """Cables, addresses, daemons, secrets."""
        for name in (self.hub, self.branch):
            run("ip", "netns", "add", name)
            off = ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
            run("ip", "netns", "exec", name, "sysctl", "-qw", *off)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for number in (1, 2):
            peer = ("type", "veth", "peer", "name", f"w{number}", "netns", self.branch)
            run("ip", "-n", self.hub, "link", "add", f"up{number}", *peer)
            for name, link, last in ((self.hub, f"up{number}", 1), (self.branch, f"w{number}", 2)):
                run("ip", "-n", name, "addr", "add", f"10.9.{number}.{last}/24", "dev", link)
                run("ip", "-n", name, "link", "set", link, "up")
        (self.state / "secrets").mkdir(parents=True)
        for name in ("fiber", "wireless"):
            self.write_secret(f"bandung-{name}.psk", SECRET)
        self.hub_charon.start()
        self.branch_charon.start()

    def destroy(self) -> None:
        if self.provisioner is not None:
            self.provisioner.terminate()
            self.provisioner.communicate()
        for charon in (self.branch_charon, self.hub_charon):
            charon.stop()
        for name in (self.hub, self.branch):
            run("ip", "netns", "del", name, check=False)

    def write_secret(self, name: str, text: str, mode: int = 0o600) -> None:
        """A file in `secrets`."""
        path = self.state / "secrets" / name
        path.write_text(text + "\n")
        path.chmod(mode)

    def make_branch_ends(self, *tunnels: WantedIpsec) -> None:
        """The branch's loopbacks and inner interfaces, as an operator makes them."""
        for wanted in tunnels:
            number = wanted.number - 50000
            ends = f"local {wanted.branch_loopback} remote {wanted.loopback}"
            kind = {
                "gre": f"gre {ends} ttl 64",
                "vxlan": f"vxlan id {wanted.number} {ends} dstport 4789",
                "xfrm": f"xfrm if_id {wanted.number}",
            }[wanted.inner]
            if wanted.branch_loopback:
                run("ip", "-n", self.branch, "addr", "add", f"{wanted.branch_loopback}/32", "dev", "lo")
            run("ip", "-n", self.branch, "link", "add", "name", f"in{number}", "mtu", "1300", "type", *kind.split())
            run("ip", "-n", self.branch, "addr", "add", f"172.31.0.{2 * number - 1}/31", "dev", f"in{number}")
            run("ip", "-n", self.branch, "link", "set", f"in{number}", "up")

    def load_branch(self, connections: Sequence[str], secrets: Sequence[str]) -> None:
        """What the branch's charon has."""
        text = f"connections {{\n{''.join(connections)}\n}}\nsecrets {{\n{''.join(secrets)}\n}}\n"
        self.branch_charon.configure(text)

    def begin(self, *tunnels: WantedIpsec) -> None:
        """Both ends of these tunnels, as wanted; the hub's first."""
        self.apply(*tunnels)
        self.make_branch_ends(*tunnels)
        self.load_branch([branch_connection(each) for each in tunnels], [branch_secret(each) for each in tunnels])
        for each in tunnels:
            self.wait_up(each)

    def wait_up(self, wanted: WantedIpsec) -> None:
        """Wait until a ping passes inside."""
        wait_for(lambda: self.pings(wanted), f"{wanted.tunnel}: {self.branch_charon.log()[-2000:]}")

    def pings(self, wanted: WantedIpsec) -> bool:
        """Whether one ping passes through the inner interface."""
        far = f"172.31.0.{2 * (wanted.number - 50000) - 1}"
        return "1 received" in self.in_hub("ping", "-c1", "-W1", "-I", wanted.interface, far, check=False)

    def pings_of_branch(self, wanted: WantedIpsec) -> bool:
        """Whether one ping of the branch passes, which makes it begin where it has no SA."""
        near = f"172.31.0.{2 * (wanted.number - 50000) - 2}"
        return "1 received" in run("ip", "netns", "exec", self.branch, "ping", "-c1", "-W1", near, check=False)

    def in_hub(self, *command: str, check: bool = True) -> str:
        """What a command says in the hub."""
        return run("ip", "netns", "exec", self.hub, *command, check=check)

    def belongings(self) -> str:
        """The hub's IPv4 addresses and routes, and its interfaces."""
        shown = ("-4", "-o", "addr"), ("-4", "route", "show", "table", "all")
        links = re.findall(r"^\d+: (\S+):", self.in_hub("ip", "-o", "link"), re.MULTILINE)
        return "".join(self.in_hub("ip", *each) for each in shown) + " ".join(links)

    def ask(self, verb: str, *tunnels: WantedIpsec) -> Any:
        """What the provisioner answers."""
        if self.provisioner is None:
            self.restart_provisioner()
        assert self.provisioner
        assert self.provisioner.stdin
        assert self.provisioner.stdout
        self.provisioner.stdin.write(json.dumps({"do": verb, "tunnels": [asdict(each) for each in tunnels]}) + "\n")
        self.provisioner.stdin.flush()
        return json.loads(self.provisioner.stdout.readline())

    def restart_provisioner(self) -> None:
        """Begin with another process, that knows nothing."""
        if self.provisioner is not None:
            self.provisioner.terminate()
            self.provisioner.communicate()
        script = Path(__file__).with_name("ipsec_slice_process.py")
        command = [sys.executable, str(script), str(self.state), str(self.hub_charon.vici)]
        self.provisioner = subprocess.Popen(
            ["ip", "netns", "exec", self.hub, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def apply(self, *tunnels: WantedIpsec) -> list[list[str]]:
        """Apply, which has to go well; what was done."""
        outcome = self.ask("apply", *tunnels)
        assert (outcome["failed"], outcome["refused"]) == ([], []), outcome
        done: list[list[str]] = outcome["done"]
        return done

    def failure(self, wanted: WantedIpsec, part: str) -> dict[str, Any]:
        """The reported failure of a tunnel, as soon as its reason has this in it."""

        def found() -> dict[str, Any] | None:
            told = self.ask("report", wanted)[wanted.tunnel]["ipsec"].get("failure")
            return told if told and part in told["reason"] else None

        failure: dict[str, Any] = wait_for(found, f"{part}: {self.hub_charon.log()[-3000:]}")
        return failure

    def sas(self) -> dict[str, str]:
        """The hub's SAs: the number of each by the name of its connection."""
        return dict(re.findall(r"^(\S+): #(\d+), ESTABLISHED", self.hub_charon.swanctl("--list-sas"), re.MULTILINE))


class Ping:
    """A Ping goes on every 20 ms until it is asked how many were lost."""

    def __init__(self, network: Network, wanted: WantedIpsec) -> None:
        far = f"172.31.0.{2 * (wanted.number - 50000) - 1}"
        command = ["ip", "netns", "exec", network.hub, "ping", "-n", "-i", "0.02", far]
        self.said = network.directory / f"ping-{time.monotonic_ns()}"
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out)
        wait_for(self.answered, "a first answer")

    def answered(self) -> list[int]:
        """The numbers of those that came back."""
        return [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", self.said.read_text())]

    def lost(self) -> int:
        """How many never came back, after some more have."""
        before = len(self.answered())
        wait_for(lambda: len(self.answered()) > before + 50, "answers after what was done")
        self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE)
        answered = self.answered()
        return max(answered) - len(set(answered))
