"""The liveness engine against BIRD, over two links between two namespaces: hub and branch."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bfd_namespaces import MS, Engine, Network, bird_is_up, pause, until
from made_network import run

from speaker.bfd.packet import ControlPacket, State, encode

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bird"), reason="needs root and BIRD"),
]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


@pytest.fixture
def engine(network: Network) -> Engine:
    """An engine whose two tunnels are up with BIRD."""
    network.start_bird()
    engine = network.engine()
    engine.tell(tunnels={"specs": network.specs(0, 1)})
    for tunnel in ("solo/0", "solo/1"):
        engine.wait_for(tunnel, "up")
    return engine


def test_both_ends_come_up_at_the_configured_rate(network: Network, engine: Engine) -> None:
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    until("the round trip is known", lambda: engine.ask()["reports"]["solo/0"]["rtt_ns"] is not None)
    assert engine.ask()["memory"]["solo/0"]["bfd"]["remote_multiplier"] == 3


def test_a_change_of_timers_is_agreed_without_a_flap(network: Network, engine: Engine) -> None:
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    before = network.bird_states()
    engine.tell(tunnels={"specs": network.specs(0, 1, active=200, idle=200)})
    until("BIRD sends every 200 ms", lambda: bird_is_up(network, "0.200"))
    engine.tell(tunnels={"specs": network.specs(0, 1, active=20, idle=300)})
    engine.tell(carrying=["solo/0", "solo/1"])
    until("BIRD sends every 50 ms, its own wish", lambda: bird_is_up(network))
    assert network.bird_states() == before
    assert sorted(engine.states()) == [("solo/0", "up"), ("solo/1", "up")]


def test_the_branch_changing_its_timers_does_not_flap(network: Network, engine: Engine) -> None:
    before = network.bird_states()
    network.configure_bird(100)
    network.birdc("configure")
    problem = engine.wait("problem", lambda problem: problem[0] == "timers:solo/0" and problem[1] is not None)
    assert "every 100 ms with multiplier 3" in problem[1]
    assert network.bird_states() == before


def test_a_killed_branch_is_down_after_the_detection_time(network: Network, engine: Engine) -> None:
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    engine.hears_more(counter="bfd-received")
    network.kill_bird()
    report = engine.wait("liveness", lambda report: report["tunnel"] == "solo/0")
    assert report["state"] == "down"
    assert report["reason"].startswith("silent for ")
    assert report["reason"].endswith("(3 x 50 ms)")
    assert report["since_ns"] - report["last_heard_ns"] >= 150 * MS


def test_a_dead_branch_comes_back(network: Network, engine: Engine) -> None:
    network.kill_bird()
    engine.wait_for("solo/0", "down")
    (network.directory / "bird.ctl").unlink(missing_ok=True)
    network.start_bird()
    assert engine.wait_for("solo/0", "up")["reason"] == "BFD up"


def test_a_killed_engine_is_replaced_without_the_branch_noticing(network: Network, engine: Engine) -> None:
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    before = network.bird_states()
    memory = engine.ask()["memory"]
    successor = network.engine()
    engine.kill()
    successor.tell(tunnels={"specs": network.specs(0, 1), "remembered": memory})
    until("the poll is answered", lambda: successor.ask()["reports"]["solo/1"]["rtt_ns"] is not None)
    until("five packets came", lambda: successor.ask()["counters"].get("bfd-received", 0) > 10)
    assert network.bird_states() == before
    assert successor.states() == []
    assert successor.ask()["reports"]["solo/0"]["since_ns"] == memory["solo/0"]["since_ns"]


def test_a_planned_stop_gives_the_successor_seconds(network: Network, engine: Engine) -> None:
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    before = network.bird_states()
    engine.tell(slow_down=True)
    engine.wait("slowed")
    memory = engine.ask()["memory"]
    engine.kill()
    pause(1.5)
    successor = network.engine()
    successor.tell(tunnels={"specs": network.specs(0, 1), "remembered": memory})
    until("BIRD is back at 50 ms", lambda: bird_is_up(network))
    assert network.bird_states() == before
    assert successor.states() == []


def test_a_remembered_tunnel_that_died_meanwhile_is_found_dead(network: Network, engine: Engine) -> None:
    memory = engine.ask()["memory"]
    engine.kill()
    network.kill_bird()
    successor = network.engine()
    successor.tell(tunnels={"specs": network.specs(0, 1), "remembered": memory})
    report = successor.wait("liveness", lambda report: report["tunnel"] == "solo/0")
    assert report["state"] == "down"


def test_a_removed_tunnel_is_closed_with_the_branch(network: Network, engine: Engine) -> None:
    engine.tell(tunnels={"specs": network.specs(1)})
    until("BIRD notices", lambda: any("10.9.0.0" in line and "Down" in line for line in network.bird_states()))
    assert set(engine.ask()["reports"]) == {"solo/1"}
    engine.tell(tunnels={"specs": network.specs(0, 1)})
    engine.wait_for("solo/0", "up")


def test_a_lost_interface_is_an_immediate_death_and_heals(network: Network, engine: Engine) -> None:
    interface = f"{network.tag}h0"
    run("ip", "-n", network.hub, "link", "del", interface)
    engine.tell(link=[interface, False])
    report = engine.wait("liveness", lambda report: report["tunnel"] == "solo/0")
    assert (report["state"], report["reason"]) == ("down", "interface down")
    until("sending fails", lambda: engine.ask()["counters"].get("bfd-send-ENODEV", 0) > 0)
    network.connect(0)
    engine.tell(link=[interface, True])
    engine.wait_for("solo/0", "up")


def test_an_interface_that_comes_back_unannounced_is_found(network: Network, engine: Engine) -> None:
    run("ip", "-n", network.hub, "link", "del", f"{network.tag}h0")
    engine.wait_for("solo/0", "down")
    network.connect(0)
    engine.wait_for("solo/0", "up")


def test_a_taken_port_is_one_clear_problem_and_tried_again(network: Network) -> None:
    network.start_bird()
    blocker = subprocess.Popen(
        ["ip", "netns", "exec", network.hub, sys.executable, "-c", HOLD_PORT], stdout=subprocess.PIPE
    )
    try:
        assert blocker.stdout is not None
        assert blocker.stdout.readline() == b"held\n"
        engine = network.engine()
        engine.tell(tunnels={"specs": network.specs(0)})
        problem = engine.wait("problem")
        assert problem[0] == "port:3784"
        assert problem[1].startswith("UDP port 3784 is in use")
    finally:
        blocker.kill()
        blocker.communicate()
    assert engine.wait("problem") == ["port:3784", None, None]
    engine.wait_for("solo/0", "up")


HOLD_PORT = """
import socket, signal
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.bind(("", 3784))
print("held", flush=True)
signal.pause()
"""
SPOOF = """
import socket, sys
data, source, device, ttl = bytes.fromhex(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
sender.bind((source, 50000))
sender.sendto(data, (sys.argv[5], 3784))
"""


@pytest.mark.parametrize(
    ("ttl", "source", "link", "spoilt", "counter"),
    [
        (254, "10.9.0.1", 0, {}, "by-kernel"),
        (255, "10.9.0.7", 0, {}, "unknown-sender"),
        (255, "10.9.0.1", 1, {}, "interface"),
        (255, "10.9.0.1", 0, {2: 0}, "multiplier-zero"),
        (255, "10.9.0.1", 0, {3: 99}, "length"),
        (255, "10.9.0.1", 0, {0: 0x67}, "version"),
        (255, "10.9.0.1", 0, {8: 0, 9: 0, 10: 0, 11: 1}, "no-session"),
    ],
)
def test_a_forged_packet_is_counted_and_ends_nothing(
    network: Network, engine: Engine, ttl: int, source: str, link: int, spoilt: dict[int, int], counter: str
) -> None:
    mine = engine.ask()["memory"]["solo/0"]["bfd"]["discriminator"]
    data = bytearray(encode(ControlPacket(State.DOWN, 5, mine, 1_000_000, 50_000, 3)))
    for place, value in spoilt.items():
        data[place] = value
    if source == "10.9.0.7":
        run("ip", "-n", network.branch, "addr", "add", "10.9.0.7/32", "dev", "lo")
    device = f"{network.tag}b{link}"
    spoof = [data.hex(), source, device, str(ttl), "10.9.0.0"]
    run("ip", "netns", "exec", network.branch, sys.executable, "-c", SPOOF, *spoof)
    until("it is counted", lambda: engine.ask()["counters"].get(f"bfd-dropped-{counter}", 0) == 1)
    assert engine.ask()["reports"]["solo/0"]["state"] == "up"
    assert ("solo/0", "down") not in engine.states()


def test_a_branch_without_bfd_is_watched_by_echo(network: Network) -> None:
    engine = network.engine()
    engine.tell(tunnels={"specs": network.specs(0, 1, method="icmp")})
    engine.wait_for("solo/0", "up")
    engine.wait_for("solo/1", "up")
    run("ip", "-n", network.branch, "addr", "del", "10.9.0.1/31", "dev", f"{network.tag}b0")
    report = engine.wait("liveness", lambda report: report["tunnel"] == "solo/0")
    assert (report["state"], report["reason"][-12:]) == ("down", " (3 x 50 ms)")
    run("ip", "-n", network.branch, "addr", "add", "10.9.0.1/31", "dev", f"{network.tag}b0")
    engine.wait_for("solo/0", "up")
    assert ("solo/1", "down") not in engine.states()


@pytest.mark.parametrize("seconds", [0.3, 0.7])
def test_a_sleep_that_is_shorter_than_the_branchs_patience_leaves_bfd_up(network: Network, seconds: float) -> None:
    network.start_bird(400)  # what we send every 400 ms counts five times: it waits 2 s for us
    engine = network.engine()
    engine.tell(tunnels={"specs": network.specs(0, 1, active=400, idle=400)})
    until("BIRD is up at 400 ms", lambda: bird_is_up(network, "0.400"))
    before = network.bird_states()
    for _ in range(3):
        engine.process.send_signal(signal.SIGSTOP)
        pause(seconds)
        engine.process.send_signal(signal.SIGCONT)
        engine.hears_more(4, "bfd-received")
    assert network.bird_states() == before
    assert sorted(engine.states()) == [("solo/0", "up"), ("solo/1", "up")]


def test_a_sleep_longer_than_the_branchs_patience_ends_with_both_sides_up(network: Network, engine: Engine) -> None:
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    before = len(network.bird_states())
    engine.process.send_signal(signal.SIGSTOP)
    until("BIRD has given us up", lambda: len(network.bird_states()) >= before + 2)
    engine.process.send_signal(signal.SIGCONT)
    until("BIRD is back", lambda: bird_is_up(network))
    for tunnel in ("solo/0", "solo/1"):
        engine.wait_for(tunnel, "up")
    silent = [line["liveness"] for line in engine.said if "liveness" in line and line["liveness"]["state"] == "down"]
    assert [report["reason"] for report in silent if "silent for" in report["reason"]] == []


def test_a_sleep_of_the_engine_is_not_blamed_on_the_branch(network: Network) -> None:
    engine = network.engine()
    engine.tell(tunnels={"specs": network.specs(0, 1, method="icmp")})
    engine.wait_for("solo/0", "up")
    for _ in range(3):
        engine.process.send_signal(signal.SIGSTOP)
        pause(0.6)
        engine.process.send_signal(signal.SIGCONT)
        engine.hears_more()
    assert engine.ask()["lateness"] > 100 * MS
    assert "down" not in [state for _, state in engine.states()]


def test_the_return_path_follows_the_forwarding_table_of_the_branch(network: Network, engine: Engine) -> None:
    engine.tell(probe="10.0.0.1")
    assert engine.wait("path") == ["solo", "solo/0", 4]
    engine.tell(look=["solo"])
    run("ip", "-n", network.branch, "route", "replace", "10.0.0.0/16", "via", "10.9.0.2")
    engine.wait("path", lambda path: path == ["solo", "solo/1", 4])


def test_a_silent_start_ends_in_down(network: Network) -> None:
    engine = network.engine()
    engine.tell(tunnels={"specs": network.specs(0)})
    assert engine.ask()["reports"]["solo/0"]["state"] == "unknown"
    assert engine.wait("liveness")["reason"] == "no answer since the start"


def test_what_goes_out_has_ttl_255_and_a_source_port_of_its_own(network: Network) -> None:
    engine = network.engine()
    capture = subprocess.Popen(
        ["ip", "netns", "exec", network.branch, sys.executable, "-c", CAPTURE, f"{network.tag}b0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert capture.stdout is not None
        assert capture.stdout.readline() == "ready\n"
        engine.tell(tunnels={"specs": network.specs(0)})
        frame = bytes.fromhex(capture.stdout.readline())
    finally:
        capture.kill()
        capture.communicate()
    ttl, source = frame[8], socket.inet_ntoa(frame[12:16])
    (port,) = struct.unpack_from("!H", frame, 20)
    assert (ttl, source) == (255, "10.9.0.0")
    assert 49152 <= port <= 65535


CAPTURE = """
import socket, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
raw.bind((sys.argv[1], 0x0800))
print("ready", flush=True)
while True:
    frame = raw.recv(200)
    if frame[9] == 17 and frame[22:24] == (3784).to_bytes(2, "big"):
        print(frame.hex(), flush=True)
"""
