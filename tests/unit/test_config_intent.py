"""What a configuration means: defaults, tunnels that are not written, liveness, the built-in policy."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, EXAMPLE, NETWORK, reading, said

from hub.config import read
from hub.config.policy.build import build
from hub.config.policy.built_in import built_in_layers
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, LivenessMethod, LivenessTimers
from policies.model.policy import FailbackMode, Metered

STANDARD = build("standard", built_in_layers("standard")).policy
FAST = LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=50), 3)
NORMAL = LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=100), 3)
RELAXED = LivenessTimers(LivenessMethod.BFD, timedelta(seconds=1), 5)


def intent_of(directory: Path, files: dict[str, str]) -> Intent:
    configuration = reading(directory, files)
    assert configuration.intent is not None, said(configuration)
    return configuration.intent


def bandung(directory: Path, branch: str, allocations: str = ALLOCATIONS, **policies: str) -> Branch:
    files = {"branches/bandung.yaml": branch, "allocations.yaml": allocations}
    files |= {f"policies/{name}.yaml": text for name, text in policies.items()}
    return intent_of(directory, files).branches["bandung"]


def test_the_smallest_branch_gets_a_tunnel_for_each_uplink(tmp_path: Path) -> None:
    branch = bandung(tmp_path, BANDUNG)
    fiber, wireless = branch.tunnels
    assert (fiber.id, wireless.id) == (TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless"))
    assert (fiber.uplink.kind, wireless.uplink.kind) == ("fiber", "lte")
    assert (fiber.hub_uplink.name, wireless.hub_uplink.name) == ("telkom", "biznet")
    assert (fiber.link.hub, fiber.link.branch) == (IPv4Address("10.255.0.0"), IPv4Address("10.255.0.1"))
    assert (fiber.port, fiber.interface) == (51000, "wg51000-bandung")


def test_what_a_branch_does_not_say_has_its_default(tmp_path: Path) -> None:
    branch = bandung(tmp_path, BANDUNG)
    assert branch.router_id == IPv4Address("10.1.0.1")
    assert branch.timezone == "Asia/Jakarta"
    assert branch.prefix_limit == 10
    assert branch.policy == STANDARD


def test_what_a_branch_says_counts(tmp_path: Path) -> None:
    more = "router-id: 10.1.0.9\ntimezone: Asia/Makassar\nprefix-limit: 3\nprefer: [wireless]\nmode: act\nbgp: ebgp\n"
    branch = bandung(tmp_path, BANDUNG + more)
    assert branch.router_id == IPv4Address("10.1.0.9")
    assert branch.timezone == "Asia/Makassar"
    assert branch.prefix_limit == 3
    assert branch.policy.prefer == ("wireless",)
    assert branch.policy.announce == STANDARD.announce


def test_a_written_tunnel_takes_the_place_of_its_uplinks_own(tmp_path: Path) -> None:
    tunnels = "tunnels:\n  old: {over: fiber, to: biznet, link: 10.254.0.14/31, port: 50014}\n"
    old, wireless = bandung(tmp_path, BANDUNG + tunnels).tunnels
    assert (old.id.name, wireless.id.name) == ("old", "wireless")
    assert old.uplink.name == "fiber"
    assert old.hub_uplink.name == "biznet"
    assert old.link.branch == IPv4Address("10.254.0.15")
    assert old.port == 50014


def test_a_tunnel_goes_over_the_uplink_of_its_name(tmp_path: Path) -> None:
    fiber, _ = bandung(tmp_path, BANDUNG + "tunnels: {fiber: {liveness: fast}}\n").tunnels
    assert fiber.uplink.name == "fiber"
    assert fiber.liveness.active == FAST


def test_an_uplink_of_no_known_kind_is_other(tmp_path: Path) -> None:
    allocations = ALLOCATIONS.replace("fiber", "metro")
    tunnels = bandung(tmp_path, BANDUNG.replace("fiber", "metro"), allocations).tunnels
    assert tunnels[0].uplink.kind == "other"


@pytest.mark.parametrize(
    ("written", "fiber", "wireless"),
    [
        ("", (NORMAL, NORMAL), (NORMAL, RELAXED)),
        ("liveness: fast", (FAST, FAST), (FAST, FAST)),
        ("liveness: {active: fast}", (FAST, FAST), (FAST, RELAXED)),
        ("liveness: {active: fast, idle: normal}", (FAST, NORMAL), (FAST, NORMAL)),
        ("liveness: {idle: relaxed}", (NORMAL, RELAXED), (NORMAL, RELAXED)),
        (
            "liveness: {interval: 20ms, multiplier: 3}",
            (LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=20), 3),) * 2,
            (LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=20), 3),) * 2,
        ),
        ("tunnels: {fiber: {liveness: relaxed}}", (RELAXED, RELAXED), (NORMAL, RELAXED)),
        ("liveness: fast\ntunnels: {fiber: {liveness: relaxed}}", (RELAXED, RELAXED), (FAST, FAST)),
    ],
)
def test_liveness_is_that_of_the_tunnel_else_of_the_branch_else_by_metering(
    tmp_path: Path, written: str, fiber: tuple[LivenessTimers, ...], wireless: tuple[LivenessTimers, ...]
) -> None:
    found = [tunnel.liveness for tunnel in bandung(tmp_path, f"{BANDUNG}{written}\n").tunnels]
    assert [(liveness.active, liveness.idle) for liveness in found] == [fiber, wireless]


@pytest.mark.parametrize(
    ("written", "confirm", "echo"),
    [
        ("fast", True, False),
        ("{interval: 50ms}", True, False),
        ("{confirm: false}", False, False),
        ("{active: fast, confirm: false}", False, False),
        ("{interval: 50ms, echo: true}", True, True),
    ],
)
def test_a_late_packet_is_confirmed_unless_told_otherwise(
    tmp_path: Path, written: str, confirm: bool, echo: bool
) -> None:
    for tunnel in bandung(tmp_path, f"{BANDUNG}liveness: {written}\n").tunnels:
        assert (tunnel.liveness.confirm, tunnel.liveness.echo) == (confirm, echo)


@pytest.mark.parametrize(
    "written", ["{method: icmp}", "{method: icmp, idle: {multiplier: 5}}", "{active: {method: icmp}}"]
)
def test_the_method_counts_for_active_and_idle(tmp_path: Path, written: str) -> None:
    for tunnel in bandung(tmp_path, f"{BANDUNG}liveness: {written}\n").tunnels:
        assert tunnel.liveness.active.method is LivenessMethod.ICMP
        assert tunnel.liveness.idle.method is LivenessMethod.ICMP
        assert tunnel.liveness.active.interval == timedelta(milliseconds=100)


@pytest.mark.parametrize("hold", ["0s", "1.5s", "90s", "5m", "24h", "1d", "500ms"])
def test_a_policy_changes_what_it_says_and_nothing_else(tmp_path: Path, hold: str) -> None:
    policy = f"failback: {{hold: {hold}}}\nannounce: {{step: 10}}\n"
    found = bandung(tmp_path, BANDUNG + "policy: careful\n", careful=policy).policy
    assert found.name == "careful"
    assert found.prefer == STANDARD.prefer
    assert found.failback.mode is FailbackMode.AUTOMATIC
    assert (found.announce.first, found.announce.step, found.announce.add_drained) == (1000, 10, 8000)


def test_maps_merge_and_lists_replace_along_the_parents(tmp_path: Path) -> None:
    found = bandung(
        tmp_path,
        BANDUNG + "policy: c\n",
        a="prefer: [wireless, fiber]\nmetered: allowed\nannounce: {first: 2000}\n",
        b="extends: a\nannounce: {add-degraded: 5000}\nfailback: {mode: never}\n",
        c="extends: b\nprefer: [lte]\n",
    ).policy
    assert found.prefer == ("lte",)
    assert found.metered is Metered.ALLOWED
    assert found.failback.mode is FailbackMode.NEVER
    assert found.failback.hold == timedelta(seconds=60)
    assert (found.announce.first, found.announce.step, found.announce.add_degraded) == (2000, 100, 5000)


@pytest.mark.parametrize("text", ["metered: last-resort\n", "extends: standard\nmetered: last-resort\n"])
def test_the_built_in_policy_can_be_changed_in_a_file(tmp_path: Path, text: str) -> None:
    found = bandung(tmp_path, BANDUNG, standard=text, other="metered: allowed\n").policy
    assert found.metered is Metered.LAST_RESORT
    assert found.prefer == STANDARD.prefer


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({"a": "extends: b", "b": "extends: a"}, "policies extend each other in a circle: a -> b -> a"),
        ({"a": "extends: a"}, "policies/a.yaml:1:10: policies extend each other in a circle: a -> a"),
        ({"a": "extends: stndard"}, 'there is no policy "stndard"\n    mend: write "standard"'),
        ({"standard": "extends: a", "a": "metered: allowed"}, "in a circle"),
        ({"a": "prefer: [fibr]"}, 'policies/a.yaml:1:10: prefer: "fibr" is neither a kind of uplink'),
        ({"a": "announce: {first: 1}"}, "first: at least 100"),
        ({"a": "announce: {step: 0}"}, "step: at least 1"),
        ({"a": "announce: {add-drained: 10}"}, "add-degraded and add-drained must not fall"),
        ({"a": "failback: {hold: 60}"}, "hold: 60 has no unit"),
        ({"a": "failback: {hold: 2d}"}, "hold: at most 1d"),
    ],
)
def test_a_policy_that_makes_no_sense_is_said(tmp_path: Path, policies: dict[str, str], expected: str) -> None:
    configuration = reading(tmp_path, {f"policies/{name}.yaml": text for name, text in policies.items()})
    assert expected in said(configuration)
    assert configuration.intent is None


def test_one_hub_may_be_written_under_hubs(tmp_path: Path) -> None:
    network = NETWORK.replace("hub:\n", "hubs:\n hq:\n").replace("  name: hq\n", "")
    assert intent_of(tmp_path, {"network.yaml": network}).hub.name == "hq"


def test_the_order_of_maps_and_files_means_nothing(tmp_path: Path) -> None:
    lines = BANDUNG.splitlines(keepends=True)
    turned = "".join([lines[2], lines[4], lines[3], lines[1], lines[0]])
    ordered, other = tmp_path / "a", tmp_path / "b"
    assert intent_of(ordered, {}) == intent_of(other, {"branches/bandung.yaml": turned})


def test_interfaces_fit_the_kernel_and_differ(tmp_path: Path) -> None:
    name = "a-branch-with-a-rather-long-name"
    files = {f"branches/{name}.yaml": BANDUNG.replace("65001", "65002").replace("10.1.", "10.2.")}
    files["allocations.yaml"] = ALLOCATIONS + "".join(
        f"{name}/{tunnel}: {{to: telkom, link: 10.255.0.{4 + 2 * n}/31, port: {51002 + n}}}\n"
        for n, tunnel in enumerate(("fiber", "wireless"))
    )
    interfaces = [tunnel.interface for tunnel in intent_of(tmp_path, files).tunnels().values()]
    assert len(set(interfaces)) == 4
    assert all(len(interface) <= 15 for interface in interfaces)


def test_the_example_has_eight_branches_with_fiber_and_wireless_each() -> None:
    configuration = read(EXAMPLE)
    assert configuration.problems == ()
    assert configuration.intent is not None
    assert configuration.intent.network == "kencana"
    assert len(configuration.intent.branches) == 8
    for branch in configuration.intent.branches.values():
        assert [tunnel.id.name for tunnel in branch.tunnels] == ["fiber", "wireless"]
        assert {tunnel.uplink.isp for tunnel in branch.tunnels} == {"telkom", "indosat"}
        assert {tunnel.hub_uplink.name for tunnel in branch.tunnels} == {"telkom", "biznet"}


def test_the_example_has_one_branch_without_bfd() -> None:
    intent = read(EXAMPLE).intent
    assert intent is not None
    by_icmp = {key.branch for key, tunnel in intent.tunnels().items() if tunnel.liveness.active.method.value == "icmp"}
    assert by_icmp == {"tegal"}


def test_the_hubs_router_id_of_the_example_lies_in_what_it_announces() -> None:
    intent = read(EXAMPLE).intent
    assert intent is not None
    assert any(intent.hub.router_id in prefix for prefix in intent.hub.prefixes)
    assert intent.hub.prefixes == (IPv4Network("10.0.0.0/16"),)
