"""Everything that is looked at, in one reading."""

from __future__ import annotations

import importlib.metadata
import os
import resource
import shutil
from collections.abc import Iterator

from hub.config import Configuration, Severity
from hub.control.places import Places
from hub.doctor.facts import Account, Configured, Facts, Process, Unseen, Wanted
from hub.doctor.reading import clock, directories, features, network, processes, ruleset, sockets, surroundings
from hub.forwarder.checks import HUB_NEEDS, missing_capabilities, read_file
from hub.forwarder.netlink.sockets import Requests
from speaker.bgp.configuration import BGP_PORT
from speaker.bgp.launcher import listened_on

_SETTINGS = (
    "/proc/sys/net/core/rmem_max",
    "/proc/sys/net/ipv4/conf/all/rp_filter",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv4/neigh/default/gc_thresh3",
    "/proc/sys/net/ipv4/nexthop_compat_mode",
    "/proc/sys/net/ipv6/conf/all/forwarding",
    "/proc/sys/net/ipv6/neigh/default/gc_thresh3",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/net/netfilter/nf_conntrack_tcp_loose",
)
_OF_A_TUNNEL = (
    "/proc/sys/net/ipv4/conf/{}/forwarding",
    "/proc/sys/net/ipv4/conf/{}/rp_filter",
    "/proc/sys/net/ipv6/conf/{}/disable_ipv6",
)


def look(places: Places, configuration: Configuration, wanted: Wanted) -> Facts:
    """Read all facts of this machine, as far as this user may."""
    root = os.geteuid() == 0
    port = _bgp_port(places)
    picture = _network()
    interfaces = () if isinstance(picture, Unseen) else picture.interfaces
    tunnels = {tunnel.interface for tunnel in wanted.tunnels}
    return Facts(
        configured=_configured(configuration),
        account=_account(root=root),
        settings=dict(_settings(tunnels)),
        interfaces=picture if isinstance(picture, Unseen) else picture.interfaces,
        addresses=picture if isinstance(picture, Unseen) else picture.addresses,
        routes=picture if isinstance(picture, Unseen) else picture.routes,
        rules=picture if isinstance(picture, Unseen) else picture.rules,
        protocols=surroundings.protocol_names(),
        listeners=sockets.listeners({port, sockets.BFD_PORT, *(tunnel.port for tunnel in wanted.tunnels)}),
        daemons=(daemons := processes.daemons()),
        pid_files=processes.pid_files(places.run),
        sockets=sockets.answering(places),
        bgp_port=port,
        networkd=surroundings.networkd(running=any(each.name == "systemd-network" for each in daemons)),
        network_manager=surroundings.managed_by_network_manager(
            each for each in interfaces if each.name in tunnels and _runs_network_manager(daemons)
        ),
        learning=surroundings.learning(),
        ruleset=ruleset.nftables(root=root),
        legacy_tables=ruleset.legacy_tables(root=root),
        clock=clock.read(wanted.zones),
        features=features.read(root=root),
        directories=tuple(directories.read(path, root=root) for path in (places.state, places.run)),
        exabgp=_version("exabgp"),
        setpriv=shutil.which("setpriv") is not None,
    )


def _network() -> network.Picture | Unseen:
    try:
        kernel = Requests()
    except OSError as error:
        return Unseen(f"netlink cannot be opened ({error.strerror})")
    try:
        return network.read(kernel)
    except OSError as error:
        return Unseen(str(error))
    finally:
        kernel.close()


def _settings(tunnels: set[str]) -> Iterator[tuple[str, str]]:
    paths = (*_SETTINGS, *(path.format(name) for name in sorted(tunnels) for path in _OF_A_TUNNEL))
    for path in paths:
        text = read_file(path)
        if text is not None:
            yield path, text


def _configured(configuration: Configuration) -> Configured:
    errors = [problem for problem in configuration.problems if problem.severity is Severity.ERROR]
    listed = [str(problem).partition("\n")[0] for problem in (*errors, *configuration.problems)]
    warnings = len(configuration.problems) - len(errors)
    return Configured(str(configuration.directory), len(errors), warnings, listed[0] if listed else None)


def _account(*, root: bool) -> Account:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Account(
        root=root,
        missing_capabilities=tuple(missing_capabilities(needed=HUB_NEEDS)),
        real_time=processes.may_be_real_time(),
        open_files=hard if hard != resource.RLIM_INFINITY else 1 << 30,
    )


def _bgp_port(places: Places) -> int:
    """The port in ExaBGP's rendered configuration; the usual one where there is none yet."""
    try:
        listened = listened_on(places.exabgp_config().read_text(encoding="ascii"))
    except (OSError, ValueError):
        return BGP_PORT
    return listened[0][1] if listened else BGP_PORT


def _runs_network_manager(daemons: tuple[Process, ...]) -> bool:
    return any(each.name == "NetworkManager" for each in daemons)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
