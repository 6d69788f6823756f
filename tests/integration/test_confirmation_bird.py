"""A silent tunnel beside a living one, with BIRD at the other end: found dead by probes, and believed again."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bfd_namespaces import MS, Engine, Network, bird_is_up, pause, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("bird") or not shutil.which("nft"), reason="needs root, BIRD and nft"
    ),
]
METHODS = pytest.mark.parametrize("method", ["bfd", "icmp"])
SLOW = 300
"""Milliseconds: a busy machine must not decide these tests."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        made.start_bird(SLOW)
        yield made


def watching(network: Network, method: str, *links: int, **more: bool) -> Engine:
    """An engine that knows its tunnels well enough to doubt a silence."""
    engine = network.engine()
    specs = [{**spec, **more} for spec in network.specs(*links, method=method, active=SLOW, idle=SLOW)]
    engine.tell(tunnels={"specs": specs})
    for link in links:
        engine.wait_for(f"solo/{link}", "up")
    engine.hears_more(8 * len(links), "bfd-received" if method == "bfd" else "icmp-received")
    pause(1.2)
    return engine


def falls(engine: Engine, tunnel: str) -> Any:
    return engine.wait("liveness", lambda report: report["tunnel"] == tunnel and report["state"] == "down")


def returns(engine: Engine, tunnel: str) -> Any:
    return engine.wait("liveness", lambda report: report["tunnel"] == tunnel and report["state"] == "up")


@METHODS
def test_a_cut_tunnel_is_found_dead_before_its_detection_time(network: Network, method: str) -> None:
    engine = watching(network, method, 0, 1)
    network.cut(0)
    report = falls(engine, "solo/0")
    assert not report["hard"]
    assert report["reason"].endswith("confirmation probes lost, 1 heard")
    assert report["since_ns"] - report["last_heard_ns"] < 3 * SLOW * MS
    hard = engine.wait("liveness", lambda report: report["hard"])
    assert (hard["tunnel"], hard["state"], hard["since_ns"]) == ("solo/0", "down", report["since_ns"])
    assert hard["reason"].startswith(f"{report['reason']}; then silent for ")


def test_a_short_cut_costs_neither_the_session_nor_the_branch_anything(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1)
    before = network.bird_states()
    network.cut(0)
    falls(engine, "solo/0")
    network.heal(0)
    report = returns(engine, "solo/0")
    assert report["reason"] == "answers again"
    assert network.bird_states() == before


@METHODS
def test_a_tunnel_without_a_living_sibling_is_given_its_detection_time(network: Network, method: str) -> None:
    engine = watching(network, method, 0)
    network.cut(0)
    report = falls(engine, "solo/0")
    assert report["hard"]
    assert report["reason"].endswith(f"(3 x {SLOW} ms)")


def test_with_confirmation_off_nothing_is_asked(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1, confirm=False)
    network.cut(0)
    assert falls(engine, "solo/0")["hard"]
    assert "confirmation-probes" not in engine.ask()["counters"]


@pytest.mark.parametrize("way", ["to-branch", "to-hub"])
def test_without_bfd_a_cut_of_either_direction_is_found(network: Network, way: str) -> None:
    engine = watching(network, "icmp", 0, 1)
    network.cut(0, way)
    assert not falls(engine, "solo/0")["hard"]


def test_a_branch_whose_bfd_is_starved_answers_by_its_kernel_until_the_detection_time(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1)
    network.kill_bird()
    report = falls(engine, "solo/0")
    assert report["hard"]
    assert engine.ask()["counters"]["confirmations-cleared"] >= 1


def test_a_process_between_soft_death_and_return_hands_both_on(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1)
    network.cut(0)
    report = falls(engine, "solo/0")
    remembered = engine.ask()["memory"]
    engine.kill()
    network.heal(0)
    successor = network.engine()
    successor.tell(
        tunnels={"specs": network.specs(0, 1, active=SLOW, idle=SLOW), "remembered": remembered},
    )
    assert successor.ask()["reports"]["solo/0"]["reason"] == report["reason"]
    until("it is believed again", lambda: successor.ask()["reports"]["solo/0"]["state"] == "up")
    assert successor.ask()["reports"]["solo/0"]["reason"] == "answers again"


@pytest.mark.parametrize("way", ["to-branch", "to-hub"])
def test_with_an_echo_beside_bfd_a_cut_of_either_direction_is_found(network: Network, way: str) -> None:
    engine = watching(network, "bfd", 0, 1, echo=True)
    until("BFD is slowed down", lambda: bird_is_up(network, "1.000"))
    network.cut(0, way)
    report = falls(engine, "solo/0")
    assert not report["hard"]
    assert report["reason"].endswith("confirmation probes lost, 1 heard")


def test_without_it_the_hub_sees_nothing_of_a_cut_to_the_branch_until_the_branch_says_so(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1)
    network.cut(0, "to-branch")
    assert falls(engine, "solo/0")["reason"].startswith("the branch says down")


def test_an_echo_that_heals_is_enough(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1, echo=True)
    before = network.bird_states()
    network.cut(0, "to-branch")
    falls(engine, "solo/0")
    network.heal(0)
    assert returns(engine, "solo/0")["reason"] == "answers again"
    assert network.bird_states() == before


def test_where_echoes_are_filtered_bfd_goes_on_alone_at_its_full_rate(network: Network) -> None:
    engine = watching(network, "bfd", 0, 1, echo=True)
    until("BFD is slowed down", lambda: bird_is_up(network, "1.000"))
    network.filter_echo()
    falls(engine, "solo/0")
    assert returns(engine, "solo/0")["reason"] == "answers again"
    until("BFD is at its full rate", lambda: bird_is_up(network, f"0.{SLOW}"))
    assert engine.ask()["reports"]["solo/0"]["state"] == "up"


def test_where_echoes_were_never_answered_bfd_decides(network: Network) -> None:
    network.filter_echo()
    engine = watching(network, "bfd", 0, 1, echo=True)
    assert bird_is_up(network, f"0.{SLOW}")
    network.cut(0)
    assert falls(engine, "solo/0")["reason"].endswith("confirmation probes lost, 1 heard")
