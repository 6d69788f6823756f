"""The scripts that come with Pointsman, each as it ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from script_rig import NETWORK, a_branch

import policies.scripts.examples
from hub.scripts.examine import examine
from hub.scripts.trying import run_script
from policies.scripts import Adjustment, BranchSituation, Metered, NetworkSituation, TunnelSituation

EXAMPLES = Path(policies.scripts.examples.__file__).parent
EVEN_OUT, MONTH_END = EXAMPLES / "even_out.py", EXAMPLES / "month_end.py"


def two_fibers(name: str, on: str | None = None) -> BranchSituation:
    """A branch with a fiber to each uplink of the hub, and LTE."""
    a = TunnelSituation(name="fiber-a", kind="fiber", hub_uplink="telkom", rank=0)
    b = TunnelSituation(name="fiber-b", kind="fiber", hub_uplink="biznet", rank=1)
    c = TunnelSituation(name="lte", kind="lte", metered=True, hub_uplink="biznet", rank=2)
    return replace(a_branch(name), tunnels=tuple(replace(t, active=t.name == on) for t in (a, b, c)))


def a_network(number: int, on_hub_uplink: Mapping[str, int]) -> NetworkSituation:
    names = tuple(sorted(f"branch-{n}" for n in range(number)))
    return replace(NETWORK, branches=names, on_hub_uplink=on_hub_uplink)


def even_out(branch: BranchSituation, network: NetworkSituation) -> Adjustment:
    adjustment = run_script(EVEN_OUT, branch, network)
    assert adjustment is not None
    return adjustment


def first_of(branch: BranchSituation, network: NetworkSituation) -> str:
    prefer = even_out(branch, network).prefer
    assert prefer is not None
    return prefer[0]


@pytest.mark.parametrize("example", [EVEN_OUT, MONTH_END], ids=lambda path: path.name)
def test_an_example_has_nothing_wrong_with_it(example: Path) -> None:
    assert examine(example.read_text()) == ()


def test_even_out_gives_each_uplink_of_the_hub_its_share() -> None:
    network = a_network(40, {"telkom": 0, "biznet": 0})
    homes = Counter(first_of(two_fibers(name), network) for name in network.branches)
    assert homes == {"fiber-a": 20, "fiber-b": 20}


def test_even_out_puts_the_equal_tunnels_before_the_others_of_the_policy() -> None:
    prefer = even_out(two_fibers("branch-1"), a_network(8, {"telkom": 4, "biznet": 4})).prefer
    assert prefer is not None
    assert set(prefer[:2]) == {"fiber-a", "fiber-b"}
    assert prefer[2] == "lte"


@pytest.mark.parametrize("on", ["fiber-a", "fiber-b"])
def test_even_out_moves_nobody_while_no_uplink_has_more_than_its_share(on: str) -> None:
    network = a_network(41, {"telkom": 20, "biznet": 21})
    assert {first_of(two_fibers(name, on), network) for name in network.branches} == {on}


def test_even_out_sends_home_those_whose_home_is_not_the_uplink_that_has_too_many() -> None:
    network = a_network(40, {"telkom": 40, "biznet": 0})
    after = Counter(first_of(two_fibers(name, "fiber-a"), network) for name in network.branches)
    assert after == {"fiber-a": 20, "fiber-b": 20}


def test_even_out_comes_to_rest() -> None:
    """Any distribution: all decide at once, and again, until nobody moves."""
    names = a_network(30, {}).branches
    on = dict.fromkeys(names, "fiber-b")
    for _ in range(3):
        counts = Counter("telkom" if tunnel == "fiber-a" else "biznet" for tunnel in on.values())
        network = a_network(30, {"telkom": 0, "biznet": 0, **counts})
        before, on = on, {name: first_of(two_fibers(name, on[name]), network) for name in names}
    assert on == before
    assert Counter(on.values()) == {"fiber-a": 15, "fiber-b": 15}


def test_even_out_has_nothing_to_say_where_there_are_no_equals() -> None:
    assert run_script(EVEN_OUT, a_branch(), NETWORK) is None
    assert run_script(EVEN_OUT, replace(a_branch(), tunnels=()), NETWORK) is None


@pytest.mark.parametrize(
    ("wall", "metered"),
    [
        ("2026-03-02T09:30:00+07:00", None),
        ("2026-03-26T23:59:00+07:00", None),
        ("2026-03-27T00:00:00+07:00", Metered.LAST_RESORT),
        ("2026-03-31T17:59:00+07:00", Metered.LAST_RESORT),
        ("2026-03-31T18:00:00+07:00", Metered.ALLOWED),
        ("2026-03-31T23:59:00+07:00", Metered.ALLOWED),
        ("2026-04-01T00:00:00+07:00", None),
        ("2024-02-29T20:00:00+07:00", Metered.ALLOWED),
        ("2023-02-28T12:00:00+07:00", Metered.LAST_RESORT),
        ("2026-12-31T19:00:00+07:00", Metered.ALLOWED),
    ],
)
def test_month_end_keeps_metered_lines_back_and_then_uses_them_up(wall: str, metered: Metered | None) -> None:
    branch = replace(a_branch(), wall=datetime.fromisoformat(wall))
    adjustment = run_script(MONTH_END, branch, NETWORK)
    assert (adjustment.metered if adjustment is not None else None) is metered


def test_month_end_has_nothing_to_say_to_a_branch_without_metered_lines() -> None:
    branch = replace(a_branch(), wall=datetime.fromisoformat("2026-03-31T20:00:00+07:00"))
    assert run_script(MONTH_END, replace(branch, tunnels=branch.tunnels[:1]), NETWORK) is None
