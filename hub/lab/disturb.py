"""Making disturbances so: packet filters and delay stages in the ISPs, and the file that remembers them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

from hub.lab import disturbances, record, requirements
from hub.lab.disturbances import Direction, Disturbance, Stage
from hub.lab.names import LabError, LabPlace
from hub.lab.namespaces import run_inside
from hub.lab.record import Lab
from hub.lab.scripts import start

_STAGE_PEER_MAC = "02:00:00:00:50:4d"
_STAGE_GATEWAY = "169.254.77.1"
_FIRST_RULE = 100


def present(place: LabPlace) -> tuple[Disturbance, ...]:
    """What is disturbed in this lab now."""
    try:
        values = json.loads(place.disturbances.read_text())
        return tuple(_decode(value) for value in values)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(f'{place.disturbances} cannot be read ({error}): heal everything with "lab heal all"') from error


def _decode(value: dict[str, object]) -> Disturbance:
    one = Disturbance(**value)  # type: ignore[arg-type]
    return replace(one, way=Direction(one.way))


def disturb(
    lab: Lab,
    target: str,
    direction: Direction = Direction.BOTH,
    *,
    loss: float,
    delay_ms: float = 0.0,
    jitter_ms: float = 0.0,
) -> None:
    """Add loss (1 is a cut), delay and jitter to a target.

    Raises:
        LabError: the target is not in this lab, or a packet filter cannot be set.
    """
    disturbances.spots(lab.network, target)
    with record.locked(lab.place):
        before = present(lab.place)
        wanted = disturbances.disturbed(before, target, direction, loss=loss, delay_ms=delay_ms, jitter_ms=jitter_ms)
        _apply(lab, before, wanted)


def cut(lab: Lab, target: str, direction: Direction = Direction.BOTH) -> None:
    """Drop every packet of the target silently.

    Raises:
        LabError: as `disturb`.
    """
    disturb(lab, target, direction, loss=1.0)


def heal(lab: Lab, target: str = "all") -> bool:
    """End all that the target suffers; False if it suffered nothing.

    Raises:
        LabError: the target is not in this lab, or a packet filter cannot be set.
    """
    if target != "all":
        disturbances.spots(lab.network, target)
    with record.locked(lab.place):
        before = _present_or_nothing(lab, target)
        wanted = disturbances.healed(before, target)
        _apply(lab, before, wanted)
    return wanted != before


def _present_or_nothing(lab: Lab, target: str) -> tuple[Disturbance, ...]:
    try:
        return present(lab.place)
    except LabError:
        if target != "all":
            raise
        return ()


def _apply(lab: Lab, before: Sequence[Disturbance], wanted: Sequence[Disturbance]) -> None:
    """Stages first and filters after, so that no packet is marked for a stage that is not there."""
    old, new = disturbances.stages(lab.network, before), disturbances.stages(lab.network, wanted)
    netem = bool(new - old) and requirements.kernel_has_netem()
    for stage in new - old:
        run_inside(lab.place, stage.node, stage_script(lab.place, stage, netem=netem))
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(_filter, lab.place, isp.node, disturbances.rules(lab.network, isp, wanted))
            for isp in lab.network.isps
            if disturbances.rules(lab.network, isp, wanted) != disturbances.rules(lab.network, isp, before)
        ]
    for job in jobs:
        job.result()
    kept = {(stage.node, stage.mark) for stage in new}
    for stage in old - new:
        if (stage.node, stage.mark) not in kept:
            run_inside(lab.place, stage.node, _remove_script(stage))
    record.replace_text(lab.place.disturbances, json.dumps([_encode(one) for one in wanted], indent=1))


def _encode(one: Disturbance) -> dict[str, object]:
    return {**asdict(one), "way": one.way.value}


def _filter(place: LabPlace, node: str, rules: str) -> None:
    if not requirements.installed("nft"):
        raise LabError(requirements.complaint([("nft", "nftables")]))
    run_inside(place, node, f"nft -f - <<'END'\n{rules}END\n", doing="nftables of this kernel, which a lab needs, in")


def stage_script(place: LabPlace, stage: Stage, *, netem: bool) -> str:
    """Shell for the ISP's namespace: make the stage and route marked packets through it; again, if it is there."""
    make = _netem_lines(stage) if netem else _userspace_lines(place, stage)
    rule = f"ip rule add fwmark {stage.mark} lookup {stage.mark} priority {_FIRST_RULE + stage.mark}"
    return "".join(line + "\n" for line in [_remove_script(stage).rstrip(), *make, rule])


def _netem_lines(stage: Stage) -> list[str]:
    """A veth both of whose ends are here: what leaves by one end, delayed by netem, comes in again by the other."""
    name, peer = stage.interface, f"{stage.interface}p"
    return [
        f"ip link add name {name} type veth peer name {peer} address {_STAGE_PEER_MAC}",
        f"ip link set {peer} up",
        f"ip link set {name} up",
        f"tc qdisc add dev {name} root netem limit 50000 delay {stage.delay_ms:g}ms {stage.jitter_ms:g}ms",
        f"ip neighbour add {_STAGE_GATEWAY} lladdr {_STAGE_PEER_MAC} dev {name} nud permanent",
        f"ip route add default via {_STAGE_GATEWAY} dev {name} onlink table {stage.mark}",
    ]


def _userspace_lines(place: LabPlace, stage: Stage) -> list[str]:
    name = stage.interface
    command = [sys.executable, "-m", "hub.lab.delay_stage", name, f"{stage.delay_ms:g}", f"{stage.jitter_ms:g}"]
    log = str(place.logs / f"{stage.node}-{name}.log")
    return [
        f"ip tuntap add dev {name} mode tun",
        f"ip link set {name} txqueuelen 10000 up",
        f"ip route add default dev {name} table {stage.mark}",
        f"(cd / && {start(command, log)})",
        _wait_for_carrier(name, log),
    ]


def _wait_for_carrier(name: str, log: str) -> str:
    return (
        f'tries=0; until [ "$(cat /sys/class/net/{name}/carrier)" = 1 ]; do tries=$((tries+1)); '
        f"[ $tries -lt 500 ] || {{ echo no delay stage came up, see {shlex.quote(log)} >&2; exit 1; }}; "
        "sleep 0.02; done"
    )


def _remove_script(stage: Stage) -> str:
    return (
        f"ip rule del priority {_FIRST_RULE + stage.mark} 2>/dev/null || :\n"
        f"ip link del {stage.interface} 2>/dev/null || :\n"
    )
