"""The slice of uplinks: pins made and put right, and tunnels brought back whose packets leave by another uplink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal, put_right
from hub.provisioner.fingerprint import Look
from hub.provisioner.own_table import OwnTable
from hub.provisioner.program import Program, mend_of, run_program
from hub.provisioner.uplinks.pins import Seen
from hub.provisioner.uplinks.plan import SLICE, Steps, pins_of, plan_pins, target_of
from hub.provisioner.uplinks.seen import carry_out, look
from hub.provisioner.uplinks.watch import COUNTING, TABLE, Away, away_in, strays, table_body, watched_of
from hub.provisioner.wanted import Wanted

WATCH = "outer packets"
_NOT_WATCHED = "nft is not installed: nobody watches by which uplink the tunnels' packets leave"


@dataclass(frozen=True, slots=True)
class _Table:
    """The work of a change: the table with this body, "" for no table."""

    body: str


class Uplinks:
    """An Uplinks keeps each tunnel on its uplink."""

    name = SLICE

    def __init__(self, run: Program = run_program) -> None:
        self._run = run
        self._table = OwnTable(TABLE, COUNTING, run)
        self._before: Away | None = None
        self._cleared: dict[str, int] = {}
        self._strays: dict[str, Mapping[str, int]] = {}

    def plan(self, wanted: Wanted) -> Planned:
        """Look at rules, routes and the counting table, and say what differs.

        Raises:
            ProvisionError: the kernel does not say.
        """
        seen = _look(wanted)
        planned = plan_pins(wanted, seen)
        body = table_body(watched_of(wanted, pins_of(wanted, seen)[0]))
        if not self._table.possible:
            refused = (Refusal(SLICE, WATCH, _NOT_WATCHED, mend_of("nft")),) if body else ()
            return Planned(planned.changes, (*planned.refusals, *refused))
        try:
            return Planned((*planned.changes, *self._table_changes(body)), planned.refusals)
        except ProvisionError as error:  # the pins matter more than who counts
            return Planned(planned.changes, (*planned.refusals, Refusal(SLICE, WATCH, str(error), error.mend)))

    def do(self, change: Change) -> None:
        """Make one change.

        Raises:
            ProvisionError: the kernel or `nft` refuses it.
        """
        match change.how:
            case Steps() as steps:
                carry_out(steps)
            case _Table(""):
                self._table.remove()
                self._before = None
            case _Table(body):
                self._table.load(body)
                self._before = {}
            case _:
                raise ProvisionError(f"{change.target}: this is no change of uplinks")

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Put pins right, follow a lease that names another gateway, and bring back tunnels that leave elsewhere.

        Raises:
            ProvisionError: the kernel or `nft` does not say.
        """
        planned = self.plan(wanted)
        found = [Finding(SLICE, refusal.target, refusal.text, refusal.mend) for refusal in planned.refusals]
        counted = self._counted()
        changes = [change for change in planned.changes if not change.removes]  # those are for the next apply
        pins = [change for change in changes if isinstance(change.how, Steps)]
        found += [put_right(self, change) for change in pins]
        found += self._look_at_strays(wanted, counted)  # now that they can find their way
        found += [put_right(self, change) for change in changes if change not in pins]
        return found

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """How each uplink is pinned, and by which wrong interface a tunnel's packets left at the last look.

        Raises:
            ProvisionError: the kernel does not say.
        """
        pins, refusals = pins_of(wanted, _look(wanted))
        found: dict[str, dict[str, Any]] = {target_of(each.name): {"pinned": None} for each in wanted.uplinks}
        found |= {target_of(pin.uplink): {"pinned": str(pin), "mark": pin.table} for pin in pins}
        found |= {refusal.target: {"pinned": None, "because": refusal.text} for refusal in refusals}
        found |= {tunnel: {"leaves_by": sorted(by)} for tunnel, by in self._strays.items()}
        return found

    def _table_changes(self, body: str) -> Iterator[Change]:
        if not body:
            if self._table.own().there:
                yield Change(SLICE, WATCH, "stop counting what leaves by another uplink", removes=True, how=_Table(""))
        elif differs := self._table.differs(body):
            text = f"count what leaves by another uplink: table inet {TABLE} {differs}"
            yield Change(SLICE, WATCH, text, how=_Table(body))

    def _counted(self) -> Away:
        seen = self._table.look() if self._table.possible else Look()
        return away_in(seen.objects) if seen.ours else {}

    def _look_at_strays(self, wanted: Wanted, now: Away) -> Iterator[Finding]:
        """A count that was there before this process is of before: it accuses nobody."""
        before, self._before = self._before, now
        found = strays(before, now) if before is not None else {}
        uplinks = {uplink.name: uplink for uplink in wanted.uplinks}
        self._strays = {each.tunnel: found[str(each.port)] for each in wanted.wireguard if str(each.port) in found}
        for each in wanted.wireguard:
            if each.uplink not in uplinks:
                continue  # a tunnel that goes, by an uplink that is gone
            if (by := self._strays.get(each.tunnel)) is not None:
                yield self._brought_back(each.tunnel, each.interface, uplinks[each.uplink].interface, by)
            elif self._cleared.pop(each.tunnel, 0):
                text = f"leaves by {uplinks[each.uplink].interface} again, as its source was forgotten"
                yield Finding(SLICE, each.tunnel, text, repaired=True)
        for uplink in wanted.uplinks:
            if uplink.address is not None and uplink.address in found:
                text = f"IPsec from {uplink.address} left by {_by(found[uplink.address])}, not by {uplink.interface}"
                yield Finding(SLICE, target_of(uplink.name), text, "look at: ip rule; ip route show table all")

    def _brought_back(self, tunnel: str, interface: str, uplink: str | None, by: Mapping[str, int]) -> Finding:
        times = self._cleared[tunnel] = self._cleared.get(tunnel, 0) + 1
        text = f"left by {_by(by)}, not by {uplink}"
        try:
            self._forget_source(interface)
        except ProvisionError as error:
            return Finding(SLICE, tunnel, f"{text}; its source cannot be forgotten: {error}", error.mend)
        if times == 1:
            return Finding(SLICE, tunnel, f"{text}: the source that WireGuard remembered was forgotten")
        mend = f"look at: wg show {interface} fwmark; ip rule; ip route show table all"
        return Finding(SLICE, tunnel, f"{text}, though its source was forgotten {times} times", mend)

    def _forget_source(self, interface: str) -> None:
        """Set each peer's endpoint to what it is.

        WireGuard answers from the address, and by the interface, on which the peer was heard last, and remembers both
        with the endpoint. Setting an endpoint stores one without a source: the kernel's `wg_socket_set_peer_endpoint`
        (drivers/net/wireguard/socket.c) compares the source too, so that the same endpoint counts as another one, and
        drops the cached route; wireguard-go parses it anew. Keys and sessions stay. Should the peer move between the
        two commands, its next packet corrects that.
        """
        for line in self._run("wg", "show", interface, "endpoints").splitlines():
            peer, _, endpoint = line.partition("\t")
            if endpoint and endpoint != "(none)":
                self._run("wg", "set", interface, "peer", peer, "endpoint", endpoint)


def _by(counted: Mapping[str, int]) -> str:
    return " and ".join(
        f"{interface} ({packets} packet{'s' * (packets != 1)})" for interface, packets in sorted(counted.items())
    )


def _look(wanted: Wanted) -> Seen:
    pinned = [uplink for uplink in wanted.uplinks if uplink.gateway is not None]
    interfaces = dict.fromkeys(uplink.interface for uplink in pinned if uplink.interface is not None)
    return look(interfaces, [uplink.mark for uplink in pinned])
