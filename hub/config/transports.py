"""How tunnels are made, as written to what is meant: WireGuard, IPsec or an existing one; and the marks of uplinks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import timedelta

from hub.config.allocate import Allocation
from hub.config.drafts import BranchDraft, TunnelDraft
from hub.config.problems import Problem, error, warning
from hub.config.secret_files import SecretFile
from hub.config.survey import HubDraft, Survey
from policies.model.ids import TunnelId
from policies.model.transport import (
    Certificate,
    Existing,
    Inner,
    Ipsec,
    Loopbacks,
    PresharedKey,
    Transport,
    WireGuard,
)

USUAL_KEY_AGE = timedelta(days=365)
USUAL_MTU = {"wireguard": 1420, "gre": 1390, "vxlan": 1350, "xfrm": 1400}
"""Bytes that pass an underlay of 1492 (PPPoE) whole, by WireGuard over IPv4, and in ESP in UDP by the costlier of the
usual ciphers: AES-CBC with SHA-256 pads to 16 bytes and adds 68; GRE adds 24, VXLAN 50."""
FIRST_MARK, MARKS = 0x7000, 0x0FFF
"""Marks, and numbers of routing tables, that uplinks get by their names."""
_IPSEC_KEYS: tuple[str, ...] = ("auth", "inner", "loopbacks", "ike", "esp")
_WIREGUARD_KEYS: tuple[str, ...] = ("keepalive", "preshared")
_MADE_KEYS = (*_IPSEC_KEYS, *_WIREGUARD_KEYS, "mtu")


def usual_mark(uplink: str) -> int:
    """The mark of a hub's uplink of this name: the same on every start, whatever other uplinks there are."""
    return FIRST_MARK + zlib.crc32(uplink.encode()) % MARKS


def transport_of(draft: TunnelDraft, has: Allocation, hub: str) -> Transport:
    """What is meant; what is not written is as usual. The identities of IKE are those of the tunnel's two ends."""
    written = draft.written
    if written.existing is not None:
        return Existing()
    if written.transport == "wireguard":
        keepalive = WireGuard().keepalive if written.keepalive is None else written.keepalive
        return WireGuard(keepalive, written.preshared is True)
    usual = Ipsec(PresharedKey(usual_psk_file(draft.id)), "", "")
    auth = written.auth
    authentication: PresharedKey | Certificate = usual.authentication
    if auth is not None and auth.psk_file:
        authentication = PresharedKey(auth.psk_file)
    elif auth is not None and auth.certificate and auth.key_file and auth.authority:
        authentication = Certificate(auth.certificate, auth.key_file, auth.authority)
    return Ipsec(
        authentication=authentication,
        hub_identity=(auth.hub_id if auth else None) or f"{hub}.{draft.id.branch}-{draft.id.name}",
        branch_identity=(auth.id if auth else None) or f"{draft.id.branch}-{draft.id.name}",
        inner=Inner(written.inner or "gre"),
        loopbacks=Loopbacks(has.loopbacks[0], has.loopbacks[1]) if draft.loopbacks and has.loopbacks else None,
        ike=written.ike or usual.ike,
        esp=written.esp or usual.esp,
        version=written.ike_version,
    )


def ipsec_files(looked: Survey) -> Iterator[SecretFile]:
    """The files by which the ends of IPsec tunnels know each other: each once, where it is named first."""
    seen: set[tuple[str, str]] = set()
    for branch in looked.branches:
        for tunnel in branch.tunnels:
            if tunnel.written.transport != "ipsec" or tunnel.written.existing is not None:
                continue
            for each in _files_of(branch, tunnel):
                if (each.key, each.file) not in seen:
                    seen.add((each.key, each.file))
                    yield each


def _files_of(branch: BranchDraft, tunnel: TunnelDraft) -> Iterator[SecretFile]:
    auth, at = tunnel.written.auth, ("tunnels", tunnel.id.name, "auth")
    if auth is None or not (auth.certificate or auth.key_file or auth.authority):
        secret = (auth.psk_file if auth else None) or usual_psk_file(tunnel.id)
        yield SecretFile("psk-file", "secret", secret, branch.document.place(*at, "psk-file"), shared=True)
        return
    for key, holds, file, public in (
        ("certificate", "certificate", auth.certificate, True),
        ("key-file", "key", auth.key_file, False),
        ("authority", "certificate of the authority", auth.authority, True),
    ):
        if file:
            yield SecretFile(key, holds, file, branch.document.place(*at, key), public=public)


def usual_psk_file(tunnel: TunnelId) -> str:
    """The file of a tunnel's secret where none is written."""
    return f"{tunnel.branch}-{tunnel.name}.psk"


def mtu_of(draft: TunnelDraft) -> int:
    """The MTU of a tunnel, in bytes."""
    written = draft.written
    return written.mtu or USUAL_MTU["wireguard" if written.transport == "wireguard" else written.inner or "gre"]


def transport_problems(branch: BranchDraft) -> Iterator[Problem]:
    """Keys that say nothing of this kind of tunnel, and two ways at once to know each other."""
    for tunnel in branch.tunnels:
        written, at = tunnel.written, ("tunnels", tunnel.id.name)
        meant, foreign = f"transport: {written.transport}", _WIREGUARD_KEYS
        if written.existing is not None:
            meant, foreign = "an existing tunnel, which is never changed", _MADE_KEYS
        elif written.transport == "wireguard":
            foreign = _IPSEC_KEYS
        for key in foreign:
            if key in written.model_fields_set:
                yield error(branch.document.key_place(*at, key), f"{key} says nothing of {meant}", "remove it")
        auth = written.auth
        if auth is None:
            continue
        place = branch.document.key_place(*at, "auth")
        parts = (auth.certificate, auth.key_file, auth.authority)
        if auth.psk_file and any(parts):
            yield error(place, "auth: psk-file and a certificate at once", "leave one of the two")
        elif any(parts) and not all(parts):
            yield error(place, "auth: certificate, key-file and authority belong together", "write all three")


def hub_address_warnings(branch: BranchDraft, to: Mapping[TunnelId, str]) -> Iterator[Problem]:
    """Tunnels by IPsec that share a hub address, where the router may not tell such peers apart (RouterOS)."""
    if branch.raw.router is not None and branch.raw.router.kind in ("frr", "bird"):
        return
    by_end: dict[str, list[TunnelDraft]] = {}
    for tunnel in branch.tunnels:
        if tunnel.written.transport == "ipsec" and tunnel.written.existing is None and tunnel.id in to:
            by_end.setdefault(to[tunnel.id], []).append(tunnel)
    for end, tunnels in by_end.items():
        if len(tunnels) > 1:
            names = " and ".join(tunnel.id.name for tunnel in tunnels)
            text = f"{names} are IPsec to one hub address, that of {end}: RouterOS may take one peer for the other"
            yield warning(max(tunnel.place for tunnel in tunnels), text, "write to: UPLINK in one of them")


def mark_problems(hub: HubDraft) -> Iterator[Problem]:
    """Uplinks that have one mark, which is also their routing table."""
    first: dict[int, str] = {}
    for name, raw in sorted(hub.raw.uplinks.items()):
        mark = raw.mark or usual_mark(name)
        other = first.setdefault(mark, name)
        if other != name:
            place = hub.document.key_place(*hub.at, "uplinks", name)
            mend = f"write mark: {mark + 1} for one of them, a number that nothing else on this machine uses"
            yield error(place, f"uplinks {other} and {name} have one mark, {mark}", mend)
