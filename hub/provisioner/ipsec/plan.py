"""What is wanted of IPsec and what is there: what to change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hub.provisioner.alias import Alias, is_ours, read_alias
from hub.provisioner.changes import Change, Planned, Refusal
from hub.provisioner.ipsec import steps
from hub.provisioner.ipsec.certificates import fingerprints_of
from hub.provisioner.ipsec.clear_text import Block
from hub.provisioner.ipsec.connection import ANY, connection_of, differences, must_be_made_anew
from hub.provisioner.ipsec.inner import SeenLink, adjustments, no_such_kind, shape_of
from hub.provisioner.ipsec.leftovers import credentials_removed, removal
from hub.provisioner.ipsec.names import (
    INNER_KINDS,
    LOOPBACK_LABEL,
    SLICE,
    connection_name,
    tunnel_of,
)
from hub.provisioner.ipsec.seen import InKernel, Seen
from hub.provisioner.wanted import Wanted, WantedIpsec


def plan(wanted: Wanted, seen: Seen) -> Planned:
    """The changes that make what is seen what is wanted: each tunnel's from the outside in, removals last."""
    refusals = tuple(refusal for each in wanted.ipsec for refusal in _refused(wanted.network, each, seen))
    hindered = {refusal.target for refusal in refusals}
    unblocked = tuple(_unblocked(wanted, seen))
    if unblocked:
        seen = replace(seen, kernel=replace(seen.kernel, blocks=frozenset()))
    made = [
        change for each in wanted.ipsec if each.tunnel not in hindered for change in _made(wanted.network, each, seen)
    ]
    return Planned((*unblocked, *made, *_removed(wanted, seen)), refusals)


def _unblocked(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    """Where charon encrypts itself no block may be: what it has decrypted looks to the kernel as if it came in clear.

    No tunnel carries anything before they are gone, so that this is put right also where nothing else is removed.
    """
    if seen.charon.encrypts_itself:
        whose = {each.branch_loopback: each.tunnel for each in wanted.ipsec}
        for block in sorted(seen.kernel.blocks):
            text = f"what comes from {block.source} is not dropped any more: charon encrypts itself (kernel-libipsec)"
            yield Change(SLICE, whose.get(block.source, block.source), text, how=steps.DropBlock(block))


def _refused(network: str, wanted: WantedIpsec, seen: Seen) -> Iterator[Refusal]:
    link = seen.kernel.links.get(wanted.interface)
    if link is not None and not is_ours(network, link.alias):
        text = f"there is an interface {wanted.interface} already, and it is not ours"
        mend = "remove it, or rename it; to have it as it is, write existing: with its new name"
        yield Refusal(SLICE, wanted.tunnel, text, mend)
    elif wanted.inner in seen.kernel.lacking and (link is None or link.shape.kind != wanted.inner):
        yield Refusal(SLICE, wanted.tunnel, *no_such_kind(wanted.inner))
    material = seen.materials[wanted.tunnel]
    if material.problem:
        yield Refusal(SLICE, wanted.tunnel, material.problem, material.mend)


def _made(network: str, wanted: WantedIpsec, seen: Seen) -> Iterator[Change]:
    name, tunnel = connection_name(network, wanted.tunnel), wanted.tunnel
    for text, step in (
        *_protected(wanted, seen.kernel),
        *_blocked(wanted, seen),
        *_interface(network, wanted, seen.kernel.links.get(wanted.interface)),
        *_secret(name, wanted, seen),
        *_connection(name, wanted, seen),
    ):
        yield Change(SLICE, tunnel, text, how=step)


Worded = tuple[str, steps.Step]


def _protected(wanted: WantedIpsec, kernel: InKernel) -> Iterator[Worded]:
    """The addresses that IPsec protects: ours is here, and what is for the branch's leaves only protected."""
    if wanted.loopback is not None and wanted.loopback not in kernel.addresses:
        yield f"address {wanted.loopback} on lo", steps.PutLoopback(wanted.loopback)
    if wanted.branch_loopback is not None and wanted.branch_loopback not in kernel.guards:
        text = f"what is for {wanted.branch_loopback} leaves only encrypted (unreachable without an SA)"
        yield text, steps.PutGuard(wanted.branch_loopback)


def _blocked(wanted: WantedIpsec, seen: Seen) -> Iterator[Worded]:
    block = _block_of(wanted)
    if block is not None and block not in seen.kernel.blocks and not seen.charon.encrypts_itself:
        text = f"what comes from {block.source} is taken only encrypted (dropped without an SA)"
        yield text, steps.PutBlock(block)


def _block_of(wanted: WantedIpsec) -> Block | None:
    if wanted.loopback is None or wanted.branch_loopback is None:
        return None
    return Block(wanted.branch_loopback, wanted.loopback, wanted.inner)


def _interface(network: str, wanted: WantedIpsec, link: SeenLink | None) -> Iterator[Worded]:
    alias, name = str(Alias(network, wanted.tunnel)), wanted.interface
    if link is None:
        yield f"interface {name} made: {_described(wanted)}", steps.MakeLink(wanted, alias)
    elif link.shape != shape_of(wanted) or link.alias != alias:
        was = f"{link.shape.kind or 'another kind'}, {link.alias}"
        yield f"interface {name} made anew: {_described(wanted)} (it was {was})", steps.MakeLink(wanted, alias)
    elif changed := adjustments(wanted, link):
        yield f"interface {name}: {', '.join(changed)}", steps.AdjustLink(wanted, alias)


def _described(wanted: WantedIpsec) -> str:
    shape = shape_of(wanted)
    ends = f" {shape.local} to {shape.remote}" if shape.local else ""
    number = f" number {shape.number}" if shape.number is not None else ""
    return f"{shape.kind}{ends}{number}, mtu {wanted.mtu}, {', '.join(wanted.addresses)}"


def _secret(name: str, wanted: WantedIpsec, seen: Seen) -> Iterator[Worded]:
    digest = seen.materials[wanted.tunnel].digest
    if wanted.secret_file is not None:
        is_there, kept = name in seen.charon.secrets, seen.memory.secrets.get(name)
    else:
        key, kept = seen.memory.keys.get(name, ("", None))
        is_there = key in seen.charon.keys
    if is_there and kept == digest:
        return
    what = wanted.secret_file or wanted.key_file
    yield f"{what} {'loaded again' if is_there else 'loaded'}", steps.LoadSecret(name, wanted)


def _connection(name: str, wanted: WantedIpsec, seen: Seen) -> Iterator[Worded]:
    material = seen.materials[wanted.tunnel]
    connection = connection_of(wanted, name, material.certificate, material.authority)
    before = seen.memory.connections.get(name)
    if name not in seen.charon.connections:
        # Only what was there before is begun by the hub: a branch that is new begins itself.
        begin = before is not None and connection["remote_addrs"] != [ANY]
        text = f"connection {name} loaded: IKEv{wanted.version} with {wanted.branch_identity}"
        if before is not None:
            text = f"connection {name} loaded again: charon had lost it (running since {seen.charon.started})"
        yield text, steps.LoadConnection(name, connection, begin=begin)
    elif before is None:
        yield f"connection {name} loaded again: not known how it was", steps.LoadConnection(name, connection)
    elif changed := differences(before, connection):
        anew = must_be_made_anew(changed)
        said = "; ".join(_said(key, was, is_now) for key, (was, is_now) in changed.items())
        up = anew and name in seen.charon.established
        out = "; its SA is made anew, so that this tunnel is out for a moment" if up else ""
        yield f"connection {name}: {said}{out}", steps.LoadConnection(name, connection, anew=anew)
    elif not fingerprints_of(connection) <= seen.charon.certificates:
        text = f"connection {name} loaded again: charon had lost its certificates"
        yield text, steps.LoadConnection(name, connection)


def _said(key: str, was: str, is_now: str) -> str:
    """What differs; the text of a file never, whatever somebody put into it."""
    return f"{key} is another" if key.endswith(("certificate", "authority")) else f"{key} {was} -> {is_now}"


def _removed(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    """What is ours and no longer wanted; of another network nothing, and nothing that another still needs."""
    tunnels = {each.tunnel for each in wanted.ipsec}
    for name in sorted(seen.charon.connections | seen.memory.connections.keys()):
        tunnel = tunnel_of(wanted.network, name)
        if tunnel is not None and tunnel not in tunnels:
            yield removal(tunnel, f"connection {name} removed, its SA ended", steps.DropConnection(name))
    yield from credentials_removed(wanted, seen)
    gone = [link for _, link in sorted(seen.kernel.links.items()) if _is_left_over(wanted, link)]
    for link in gone:
        yield removal(_tunnel_of(link), f"interface {link.name} removed", steps.DropLink(link.name, link.alias or ""))
    replaced = [link for _, link in sorted(seen.kernel.links.items()) if _is_replaced(wanted, link)]
    yield from _unprotected(wanted, seen.kernel, [*gone, *replaced])


def _is_left_over(wanted: Wanted, link: SeenLink) -> bool:
    return _is_ours(wanted, link) and link.name not in wanted.interfaces()


def _is_replaced(wanted: Wanted, link: SeenLink) -> bool:
    """Whether its tunnel is of WireGuard now, which makes its own interface of that name before anything is removed."""
    return _is_ours(wanted, link) and link.name in {each.interface for each in wanted.wireguard}


def _is_ours(wanted: Wanted, link: SeenLink) -> bool:
    return is_ours(wanted.network, link.alias) and link.shape.kind in INNER_KINDS


def _unprotected(wanted: Wanted, kernel: InKernel, gone: list[SeenLink]) -> Iterator[Change]:
    """Addresses on `lo` and routes have no alias: they go when no interface, of whatever network, is left on them."""
    going = {link.name for link in gone} | {each.interface for each in wanted.ipsec}
    left = [link.shape for link in kernel.links.values() if link.name not in going]
    local = {each.loopback for each in wanted.ipsec} | {shape.local for shape in left}
    remote = {each.branch_loopback for each in wanted.ipsec} | {shape.remote for shape in left}
    whose = {link.shape.local: link for link in gone} | {link.shape.remote: link for link in gone}
    needed = {_block_of(each) for each in wanted.ipsec}
    needed |= {Block(shape.remote, shape.local, shape.kind) for shape in left if shape.remote and shape.local}
    for block in sorted(kernel.blocks - needed):
        target = _target(whose.get(block.source), block.source)
        yield removal(
            target, f"what comes from {block.source} in clear is not dropped any more", steps.DropBlock(block)
        )
    for address in sorted(kernel.guards - remote):
        target = _target(whose.get(address), address)
        yield removal(target, f"route that guarded {address} removed", steps.DropGuard(address))
    for address, label in sorted(kernel.addresses.items()):
        if label == LOOPBACK_LABEL and address not in local:
            target = _target(whose.get(address), address)
            yield removal(target, f"address {address} removed from lo", steps.DropLoopback(address))


def _target(link: SeenLink | None, address: str) -> str:
    return address if link is None else _tunnel_of(link)


def _tunnel_of(link: SeenLink) -> str:
    alias = read_alias(link.alias or "")
    return link.name if alias is None else alias.tunnel
