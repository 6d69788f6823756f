"""Values that the keys of a configuration take, or nearly take: at the edge, of the other kind, used elsewhere."""

from __future__ import annotations

from typing import Any

ABSENT = object()
"""The key is not there."""

_LINKS = ["10.255.0.0/31", "10.255.0.6/31", "10.255.0.1/31", "10.255.0.0/30", "10.1.0.0/31", "10.9.9.0/31", "::/127"]
_LINKS6 = ["fd00:255::/127", "fd00:255::2/127", "fd00:255::/126", "10.255.0.0/31", "fe80::/127", "2001:db8::/127"]
_PREFIXES = [
    ["10.1.0.0/24"], ["10.1.0.0/25", "10.1.0.128/25"], ["10.2.0.0/24"], ["10.0.0.0/16"], ["10.0.1.0/24"], ["0.0.0.0/0"],
    ["::/0"], ["fd00:1::/64"], ["fd00:a::/48", "10.7.0.0/32"], ["10.7.0.0/31"], ["127.0.0.0/24"], ["224.0.0.0/4"],
    ["fe80::/64"], ["10.255.0.0/24"], ["fd00:255::/64"], ["10.1.0.1/24"], ["10.1.0.0"], [], ["10.8.0.0/24"] * 2,
]  # fmt: skip
_TIMES = [
    "50ms", "9ms", "1001ms", "1.5s", "1s", "0s", "1d", "25h", "999999999d", "99999999999d", "0.0000000ms", 60, 0.1,
    "-1s",
]  # fmt: skip
_NAMES = [
    "fiber", "wireless", "backup", "telkom", "biznet", "standard", "night", "day", "bandung", "bogor", "other", "A",
]  # fmt: skip
_TIMERS = [
    "fast", "slow", {"interval": "50ms"}, {"interval": "2s"}, {"multiplier": 2}, {"multiplier": 11}, {"method": "icmp"},
    {"method": "bfd", "interval": "1s", "multiplier": 3}, {"method": "icmp", "active": {"method": "bfd"}},
    {"active": "fast", "interval": "1s"}, {"idle": "relaxed"}, {"active": {"interval": "20ms"}}, {}, "none",
]  # fmt: skip
_SECRETS = ["all.password", "network.yaml", "branches/bogor.yaml", "../x", "/etc/shadow", "/nowhere/x", False, True]
_PORTS = [51000, 51001, 51003, 65535, 0, 65536, "51000"]
_NUMBERS = [0, 1, 99, 100, 65535, 4294967294, 4294967295, -1, 10**30]
_ASNS = [65000, 65001, 65535, 23456, 3356, 4200000000, 0, 4294967295]
_HUB = {"as": 65000, "router-id": "10.0.0.1", "prefixes": ["10.0.0.0/16"], "uplinks": {"telkom": {"isp": "telkom"}}}

_NETWORK: list[tuple[tuple[str, ...], list[Any]]] = [
    (("pools", "links"), ["10.255.0.0/31", "10.255.0.0/29", "0.0.0.0/0", "10.0.0.0/8", "fd00:255::/64", "10.0.0.0/32"]),
    (("pools", "links-ipv6"), ["fd00:255::/126", "fd00:255::/112", "fd00::/15", "fd00::/127", "10.0.0.0/8", "::/0"]),
    (("pools", "ports"), ["51000-51000", "51002-51001", "1-65536", "51000-51004", 51000, "0-1"]),
    (("hub", "as"), _ASNS),
    (("hub", "name"), _NAMES),
    (("hub", "router-id"), ["10.1.0.1", "0.0.0.0", "255.255.255.255", "::1", "10.0.0"]),
    (("hub", "prefixes"), _PREFIXES),
    (("hub", "between-branches"), _PREFIXES),
    (("hub", "session", "password-file"), _SECRETS),
    (("hub", "uplinks", "biznet"), [{"isp": "telkom"}, {"isp": "telkon", "endpoint": "198.51.100.2"}, None]),
    (("hub", "uplinks", "telkom", "endpoint"), ["203.0.113.2", "a.example", "1.2.3.4:5", "::1", "1.2.3", "-", "a:b"]),
    (("hub", "uplinks", "telkom", "interface"), ["eth0", ".", "a b", "x" * 16]),
    (("hubs",), [{"hq": _HUB}, {"hq": _HUB, "hr": _HUB}, {"hq": {**_HUB, "name": "hr"}}, {}]),
    (("hub",), []),
    (("timezone",), ["UTC", "Asia", "asia/jakarta", "Asia/Jakart", "../x", "/etc/passwd", "a\x00b", "x" * 300]),
    (("mode",), ["act"]),
]
_BRANCH: list[tuple[tuple[str, ...], list[Any]]] = [
    (("as",), _ASNS),
    (("bgp",), ["ibgp", "ebgp", "igp"]),
    (("prefixes",), _PREFIXES),
    (("router-id",), ["10.1.0.1", "10.2.0.1", "10.0.0.1", "::1"]),
    (("prefix-limit",), _NUMBERS),
    (("prefer",), [_NAMES, ["wireles"], [], ["lte", "lte"], "fiber"]),
    (("policy",), _NAMES),
    (("liveness",), _TIMERS),
    (("session", "password-file"), _SECRETS),
    (("session", "ttl-security"), [True, False, "yes"]),
    (("session", "password"), ["geheim"]),
    (("router", "kind"), ["frr", "other", "cisco"]),
    (("router", "manage"), ["print", "push"]),
    (("router", "version"), ["7.1", 7.1, "a\nb"]),
    (("mode",), ["act", "observe", False]),
    (("timezone",), ["UTC", "Mars"]),
    (("uplinks", "fiber"), [{"isp": "telkom", "kind": "lte"}, {"isp": "telkon", "metered": True}, {"isp": "indosat"}]),
    (("uplinks", "other"), [{"isp": "telkom"}, {"isp": "a", "kind": "satellite"}]),
    (("uplinks",), [{f"u{number}": {"isp": "telkom"} for number in range(9)}]),
    (("tunnels", "fiber", "over"), _NAMES),
    (("tunnels", "fiber", "to"), _NAMES),
    (("tunnels", "fiber", "link"), _LINKS),
    (("tunnels", "fiber", "link-ipv6"), _LINKS6),
    (("tunnels", "fiber", "port"), _PORTS),
    (("tunnels", "fiber", "liveness"), _TIMERS),
    (("tunnels", "fiber", "transport"), ["wireguard", "ipsec", "gre"]),
    (("tunnels", "second"), [{"over": "fiber"}, {"over": "wireless", "to": "biznet"}, {}]),
    (("tunnels", "wireless", "over"), ["fiber"]),
]
_ALLOCATION: list[tuple[tuple[str, ...], list[Any]]] = [
    (("to",), _NAMES),
    (("link",), _LINKS),
    (("link-ipv6",), _LINKS6),
    (("port",), _PORTS),
    (("process",), _NUMBERS),
]
_POLICY: list[tuple[tuple[str, ...], list[Any]]] = [
    (("extends",), _NAMES),
    (("prefer",), [_NAMES, [], ["fibre"]]),
    (("metered",), ["last-resort", "when-degraded", "allowed", "never"]),
    (("failback", "mode"), ["never", "automatic", "window", "manual"]),
    (("failback", "hold"), _TIMES),
    *((("announce", key), _NUMBERS) for key in ("first", "step", "add-degraded", "add-drained")),
]
_TUNNELS = ("bandung/fiber", "bandung/wireless", "bogor/fiber", "bogor/backup", "gone/fiber", "bandung/Fiber", "x")
PLACES: dict[str, list[tuple[tuple[str, ...], list[Any]]]] = {
    "network.yaml": _NETWORK,
    "branches/bandung.yaml": _BRANCH,
    "branches/bogor.yaml": _BRANCH,
    "allocations.yaml": [
        ((tunnel, *path), values) for tunnel in _TUNNELS for path, values in [((), [{}]), *_ALLOCATION]
    ],
    "policies/night.yaml": _POLICY,
}
"""Where in which file a value may be another one of these, or absent."""

ODD_FILES = (
    "branches/cirebon.yaml", "branches/notes.txt", "branches/old.yml", "branches/Big Town.yaml",
    "branches/.hidden.yaml",
    "branches/a\nb.yaml", "branches/\x1b[2J.yaml", "policies/standard.yaml", "policies/day.yaml", "policies/none.yml",
    "secrets/all.password",
)  # fmt: skip
"""Files that may be there as well."""


def set_at(tree: Any, path: tuple[str, ...], value: Any) -> None:
    """Put a value into nested maps, or take it away; where there is no map on the way, nothing happens."""
    for key in path[:-1]:
        if not isinstance(tree, dict):
            return
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    if isinstance(tree, dict):
        if value is ABSENT:
            tree.pop(path[-1], None)
        else:
            tree[path[-1]] = value
