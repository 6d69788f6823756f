"""All texts of a branch's end, each with the file that it belongs in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hub.branch_router.bird import bird_config
from hub.branch_router.end import BranchEnd
from hub.branch_router.firewall import firewall_config
from hub.branch_router.frr import frr_config
from hub.branch_router.inner import inner_script
from hub.branch_router.pins import NETWORKD_CONFIG, SCRIPT, boot_unit, pins_script, sysctl_config
from hub.branch_router.secrets import NO_SECRETS, Secrets
from hub.branch_router.sheet import sheet
from hub.branch_router.swanctl import connection_name, swanctl_config
from hub.branch_router.wg_quick import wg_quick_config

PARTS = ("bird", "frr", "wg-quick", "swanctl", "pins", "firewall", "sheet")
TO_CONNECT = ("wg-quick", "swanctl", "sheet")
"""Those that say where the hub is."""
INNER_SCRIPT = "/usr/local/sbin/pointsman-tunnels"
_SECRET, _OF_DAEMON, _PLAIN, _PROGRAM = 0o600, 0o640, 0o644, 0o755


@dataclass(frozen=True, slots=True)
class Text:
    """A Text is one file of a branch's router: of which part, where it belongs, with which mode.

    `told` is a word on what to do with it. The text is not shown: it may hold keys.
    """

    part: str
    path: str
    text: str = field(repr=False)
    mode: int = _PLAIN
    told: str = ""


def usual_parts(end: BranchEnd) -> tuple[str, ...]:
    """What a router of this branch's kind needs; where no kind is written, that is BIRD on Linux."""
    if end.router in ("routeros", "other"):
        return ("sheet",)
    routing = "frr" if end.router == "frr" else "bird"
    carriers = ["wg-quick"] * bool(end.wireguard()) + ["swanctl"] * bool(end.ipsec())
    return (routing, *carriers, "pins", "firewall")


def texts(end: BranchEnd, parts: Sequence[str], secrets: Secrets = NO_SECRETS) -> tuple[Text, ...]:
    """The files of these parts, in the order of `PARTS`."""
    return tuple(text for part in PARTS if part in parts for text in _of_part(end, part, secrets))


def remarks(end: BranchEnd, parts: Sequence[str]) -> tuple[str, ...]:
    """What the texts of these parts take for granted, or leave out because it is not written."""
    file = f"branches/{end.name}.yaml"
    said = [
        f"{tunnel.name} is made by somebody else: its interface at the branch is taken to be {tunnel.interface}"
        for tunnel in end.tunnels
        if tunnel.carrier is None
    ]
    if "swanctl" in parts:
        said += [_certificates(tunnel.name) for tunnel, carrier in end.ipsec() if carrier.secret_file is None]
    # One line needs no pin, unless all traffic goes to the hub: then the tunnel's own would go into the tunnel.
    if "pins" in parts and (len(end.uplinks) > 1 or "0.0.0.0/0" in end.reaches):
        said += [
            f"tunnels by {uplink.name} are not pinned to it: write its interface, or its gateway, at "
            f"uplinks.{uplink.name} in {file}"
            for uplink in end.uplinks
            if not uplink.is_pinned
        ]
    return tuple(said)


def _certificates(tunnel: str) -> str:
    name = connection_name(tunnel)
    return (
        f"{tunnel} is known by certificates: in /etc/swanctl put the branch's into x509/{name}.pem, its key into "
        f"private/, and the authority of the hub's into x509ca/{name}-authority.pem"
    )


def _of_part(end: BranchEnd, part: str, secrets: Secrets) -> Iterator[Text]:
    routing = _SECRET if end.signed else _OF_DAEMON  # with a password in it, for its owner only
    match part:
        case "bird":
            told = f"BIRD 2; owner bird:bird, mode {routing:04o}; then: birdc configure"
            yield Text(part, "/etc/bird/bird.conf", bird_config(end, secrets), routing, told)
        case "frr":
            told = f"FRR 8; owner frr:frr, mode {routing:04o}; then: systemctl reload frr"
            yield Text(part, "/etc/frr/frr.conf", frr_config(end, secrets), routing, told)
        case "wg-quick":
            yield from _wg_quick(end, secrets)
        case "swanctl":
            yield from _swanctl(end, secrets)
        case "pins":
            yield from _pins(end)
        case "firewall":
            told = "nftables; load it: nft -f FILE; at every boot: include it in /etc/nftables.conf"
            yield Text(part, "/etc/nftables.d/pointsman.nft", firewall_config(end), told=told)
        case _:
            yield Text(
                part, f"{end.name}-sheet.txt", sheet(end, secrets), _SECRET, "what a router of any make must be told"
            )


def _wg_quick(end: BranchEnd, secrets: Secrets) -> Iterator[Text]:
    for tunnel, carrier in end.wireguard():
        path = f"/etc/wireguard/{tunnel.interface}.conf"
        told = f"wg-quick; mode 0600; then: systemctl enable --now wg-quick@{tunnel.interface}"
        yield Text("wg-quick", path, wg_quick_config(end, tunnel, carrier, secrets), _SECRET, told)


def _swanctl(end: BranchEnd, secrets: Secrets) -> Iterator[Text]:
    if not end.ipsec():
        return
    told = "strongSwan 5.9.6 and later; mode 0600; then: swanctl --load-all"
    yield Text("swanctl", "/etc/swanctl/conf.d/pointsman.conf", swanctl_config(end, secrets), _SECRET, told)
    yield Text("swanctl", INNER_SCRIPT, inner_script(end), _PROGRAM, "run it before the above is loaded")


def _pins(end: BranchEnd) -> Iterator[Text]:
    scripts = (SCRIPT, *([INNER_SCRIPT] if end.ipsec() else []))
    yield Text("pins", SCRIPT, pins_script(end), _PROGRAM, "run it at every boot, and when a gateway has changed")
    yield Text("pins", "/etc/sysctl.d/90-pointsman.conf", sysctl_config(end), told="then: sysctl --system")
    yield Text("pins", "/etc/systemd/networkd.conf.d/pointsman.conf", NETWORKD_CONFIG, told="if networkd is there")
    unit = "/etc/systemd/system/pointsman-branch.service"
    yield Text("pins", unit, boot_unit(end, scripts), told="then: systemctl enable --now pointsman-branch")
