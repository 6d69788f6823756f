"""Whatever stands in the files, reading them answers with problems and never raises."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from config_directories import ALLOCATIONS, BANDUNG, NETWORK, reading
from hypothesis import given, settings
from hypothesis import strategies as st

POLICY = """\
extends: standard
prefer: [fiber]
failback: {mode: window, hold: 60s, windows: ["Mon-Fri 18:00-22:00"]}
announce: {first: 1000, up: {communities: ["65000:1"], large-communities: ["1:2:3"]}, drained: {withdraw: true}}
health: {lte: {degraded-when-any: {loss: [3% over 5s], rtt: usual + 80ms over 5s, jitter: off}}}
damping: {half-life: 5m, suppress: 3, reuse: 1, max-suppress: 30m}
rules:
  - {name: a, when: {hub-prefix: 10.0.1.0/24, time: "22:00-05:00", uplink: fiber}, set: {ignore: degraded}}
  - name: b
    when: {branch-prefix: [10.1.0.0/24, 2001:db8:1::/56], health: [up]}
    set: {prefer: [fiber], failback: {mode: never}}
"""
FILES = {
    "network.yaml": NETWORK.replace("10.0.0.0/16", "10.0.0.0/16, 2001:db8::/48")
    .replace("pools: {", "pools: {links-ipv6: fd00:255::/64, ")
    .replace("  name: hq\n", "  name: hq\n  between-branches: [10.0.0.0/8]\n  session: {ttl-security: true}\n"),
    "branches/bandung.yaml": BANDUNG.replace("]", ", 2001:db8:1::/56]", 1)
    + "liveness: {active: fast, idle: {interval: 1s}}\ntunnels: {fiber: {port: 5}}\nbgp: ebgp\n"
    + 'session: {password-file: x}\nrouter: {kind: frr, version: "8"}\n'
    + "policy: p\nmode: observe\nhealth: {default: {healthy-when-all: {loss: 1% over 60s}}}\n",
    "allocations.yaml": ALLOCATIONS.replace("port", 'link-ipv6: "fd00:255::2/127", process: 2, port', 1),
    "policies/p.yaml": POLICY,
}
scraps = st.sampled_from(
    [
        "",
        "null",
        "[]",
        "{}",
        "yes",
        "-1",
        "99999999999",
        "1e999",
        ".inf",
        "0/0",
        "::",
        "a",
        "*a",
        "&a",
        "? ",
        "\t",
        "x: y",
    ]
)


def spoilt(text: str, start: int, length: int, scrap: str) -> str:
    start %= len(text)
    return text[:start] + scrap + text[start + length :]


mutations = st.tuples(
    st.sampled_from(sorted(FILES)), st.integers(0, 500), st.integers(0, 12), scraps | st.text(max_size=5)
)


@settings(deadline=None, max_examples=300)
@given(st.lists(mutations, min_size=1, max_size=4))
def test_a_spoilt_configuration_never_raises(made: list[tuple[str, int, int, str]]) -> None:
    files = dict(FILES)
    for file, start, length, scrap in made:
        files[file] = spoilt(files[file] or " ", start, length, scrap)
    check(files)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | scraps,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "as",
    "prefixes",
    "uplinks",
    "tunnels",
    "bgp",
    "session",
    "router",
    "between-branches",
    "liveness",
    "prefer",
    "policy",
    "hub",
    "hubs",
    "pools",
    "extends",
    "announce",
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), values, max_size=5))
def test_values_of_every_wrong_type_never_raise(file: str, content: dict[str, object]) -> None:
    import yaml

    check({**FILES, file: yaml.safe_dump(content, allow_unicode=True)})


@settings(deadline=None)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=60))
def test_bytes_never_raise(file: str, content: bytes) -> None:
    check({**FILES, file: content})


def check(files: Mapping[str, str | bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        safe = {
            name: text.encode("utf-8", "replace") if isinstance(text, str) else text for name, text in files.items()
        }
        configuration = reading(Path(directory), safe)
    assert configuration.intent is not None or configuration.problems
    assert all(problem.text and problem.file for problem in configuration.problems)
