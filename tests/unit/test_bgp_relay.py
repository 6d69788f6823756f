"""The relay as a process, between a pretended ExaBGP on its pipes and controllers on its socket."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from relay_rig import Client, Rig, opened

UP = (
    '{ "exabgp": "5.0.0", "type": "state", "neighbor": { "address": { "local": "10.255.1.0", "peer": "10.255.1.1" }, '
    '"state": "up" } }'
)
SENT = (
    '{ "exabgp": "5.0.0", "type": "update", "neighbor": { "address": { "local": "10.255.1.0", "peer": "10.255.1.1" }, '
    '"direction": "send", "message": { "update": { "attribute": { "med": 1000 }, "announce": { "ipv4 unicast": { '
    '"10.255.1.0": [ { "nlri": "10.0.0.0/16" } ] } } } } } }'
)
ANNOUNCE = "neighbor 10.255.1.1 announce attributes next-hop self med 7 nlri 10.0.0.0/16"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.end()


@pytest.fixture
def client(rig: Rig) -> Iterator[Client]:
    rig.begin(opened("10.255.1.1"), opened("10.255.2.1"))
    made = Client(rig.path)
    made.until("ready")
    yield made
    made.close()


def test_it_greets_with_exabgps_identity(rig: Rig) -> None:
    rig.begin()
    client = Client(rig.path)
    greeting = client.read()
    assert (greeting["pointsman"], greeting["role"]) == (1, "relay")
    assert greeting["exabgp_pid"] > 0
    assert greeting["exabgp_started"] > 0
    client.close()


def test_its_socket_is_for_user_and_group(rig: Rig, client: Client) -> None:
    assert rig.path.stat().st_mode & 0o777 == 0o660


def test_commands_go_in_and_answers_come_back_by_number(rig: Rig, client: Client) -> None:
    client.command(ANNOUNCE, 5)
    client.command(ANNOUNCE + " 10.9.0.0/16", 6)
    assert rig.hear() == ANNOUNCE
    assert rig.hear() == ANNOUNCE + " 10.9.0.0/16"
    rig.say("done", "error")
    assert client.read() == {"answer": 5, "result": "done"}
    assert client.read() == {"answer": 6, "result": "error"}


def test_a_sign_of_life_that_jumps_the_queue_is_told_apart(rig: Rig, client: Client) -> None:
    client.command(ANNOUNCE, 5)
    client.command("version", 6)
    rig.hear(), rig.hear()
    rig.say("exabgp 5.0.15", "done", "done")
    assert client.read() == {"answer": 6, "result": "done", "lines": ["exabgp 5.0.15"]}
    assert client.read() == {"answer": 5, "result": "done"}


def test_a_command_whose_answer_has_no_place_in_the_order_goes_alone(rig: Rig, client: Client) -> None:
    client.command(ANNOUNCE, 5)
    client.command("neighbor 10.255.1.1 teardown 4", 6)
    client.command(ANNOUNCE, 7)
    assert rig.hear() == ANNOUNCE
    rig.say("done")
    assert rig.hear() == "neighbor 10.255.1.1 teardown 4"
    rig.say("error")
    assert rig.hear() == ANNOUNCE
    assert [client.read()["answer"] for _ in range(2)] == [5, 6]


@pytest.mark.parametrize("line", ["shutdown", "neighbor x announce é", "version\nshutdown", "", "silence-ack"])
def test_what_exabgp_must_not_be_told_is_refused(rig: Rig, client: Client, line: str) -> None:
    client.command(line, 5)
    assert client.read()["result"] == "error"
    client.command("version", 6)
    assert rig.hear() == "version"


def test_events_are_passed_on_with_their_time(rig: Rig, client: Client) -> None:
    rig.say(UP)
    event = client.read()
    assert event["event"]["neighbor"]["state"] == "up"
    assert event["at"] == pytest.approx(time.monotonic(), abs=30)


def test_the_next_controller_is_told_what_the_first_one_saw(rig: Rig, client: Client) -> None:
    rig.say(UP, SENT)
    client.read(), client.read()
    client.close()
    second = Client(rig.path)
    memory = next(message["memory"] for message in second.until("ready") if "memory" in message)
    assert (memory["neighbor"], memory["state"]) == ("10.255.1.1", "up")
    assert memory["sent"] == [
        {"attribute": {"med": 1000}, "announce": {"ipv4 unicast": {"10.255.1.0": [{"nlri": "10.0.0.0/16"}]}}}
    ]
    second.close()


def test_an_answer_to_a_controller_that_left_does_not_confuse_the_next(rig: Rig, client: Client) -> None:
    client.command(ANNOUNCE, 5)
    assert rig.hear() == ANNOUNCE
    client.close()
    second = Client(rig.path)
    second.until("ready")
    second.command(ANNOUNCE, 5)
    rig.hear()
    rig.say("error", "done")
    assert second.read() == {"answer": 5, "result": "done"}
    second.close()


def test_a_line_cut_in_half_is_forgotten(rig: Rig, client: Client) -> None:
    client.socket.sendall(b'{"command": "neighbor 10.255')
    client.close()
    second = Client(rig.path)
    second.until("ready")
    second.command("version", 1)
    assert rig.hear() == "version"
    second.close()


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        ('{"pointsman":99,"role":"controller"}', "speaks version 1"),
        ('{"pointsman":1,"role":"reader"}', "only a controller"),
        ("hello", "not a line of JSON"),
        ("[]", "not a line of JSON"),
        ("x" * (70 << 10), "a line of more than"),
    ],
)
def test_a_client_that_makes_no_sense_is_told_so(rig: Rig, client: Client, greeting: str, why: str) -> None:
    other = Client(rig.path, greeting)
    assert why in other.until("error")[-1]["error"]
    assert other.read() == {}
    other.close()


def test_a_second_controller_is_refused(rig: Rig, client: Client) -> None:
    second = Client(rig.path)
    assert "another controller" in second.until("error")[-1]["error"]
    second.close()


def test_a_socket_that_was_removed_comes_back(rig: Rig, client: Client) -> None:
    rig.path.unlink()
    client.close()
    second = Client(rig.path)
    assert second.until("ready")[-1] == {"ready": True}
    second.close()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "exabgp-1.sock"))
    rig = Rig(tmp_path)
    rig.begin()
    client = Client(rig.path)
    client.until("ready")
    client.close()
    rig.end()


def test_when_exabgp_goes_the_controller_is_told(rig: Rig, client: Client) -> None:
    assert rig.process.stdin is not None
    rig.process.stdin.close()
    assert client.read() == {"gone": "exabgp"}
    assert rig.process.wait(timeout=20) == 0
    rig.process.stdin = None


def test_on_sigterm_the_controller_is_told(rig: Rig, client: Client) -> None:
    rig.process.terminate()
    assert client.read() == {"gone": "exabgp"}
    assert rig.process.wait(timeout=20) == 0


def test_a_controller_that_does_not_read_holds_nothing_up(rig: Rig, client: Client) -> None:
    many = SENT.replace("10.0.0.0/16", "10.0.0.0/16" + " " * 4000)
    for _ in range(5000):
        rig.say(many)
    client.command("version", 1)
    assert rig.hear() == "version"
    assert client.until("dropped")[-1] == {"dropped": True}


CARRIED = {"families": ["ipv4 unicast"]}


def test_a_respawned_relay_finds_out_what_went_before(rig: Rig) -> None:
    assert rig.hear() == "show neighbor json"
    peer, local = {"address": "10.255.1.1", "as": 65001}, {"address": "10.255.1.0"}
    rig.say(json.dumps([{"fsm": "ESTABLISHED", "duration": 60, "peer": peer, "local": local, **CARRIED}]), "done")
    client = Client(rig.path)
    assert rig.hear() == "neighbor 10.255.1.1 flush adj-rib out"
    rig.say("done", SENT)
    assert rig.hear() == "neighbor 10.255.1.1 announce eor ipv4 unicast"
    end = SENT.split('"update": {')[0]
    rig.say("done", end + '"eor": { "afi" : "ipv4", "safi" : "unicast" } } } }')
    assert rig.hear() == "show adj-rib in json"
    nlri = {"prefix": "10.1.0.0/24", "nexthop": "10.255.1.1"}
    rig.say(json.dumps({"peer": peer, "route": {"nlri": nlri, "attributes": {"origin": "igp"}}}), "done")
    told = client.until("ready")
    assert [sorted(message)[0] for message in told] == ["exabgp_pid", "memory", "ready"]
    memory = told[1]["memory"]
    assert memory["state"] == "up"
    assert memory["sent"][0]["attribute"] == {"med": 1000}
    assert memory["received"][0]["announce"] == {"ipv4 unicast": {"10.255.1.1": [{"nlri": "10.1.0.0/24"}]}}
    assert (memory["sent_ends"], memory["received_ends"]) == ([], ["ipv4 unicast"])
    client.close()


def test_answers_to_the_relay_before_it_are_not_taken_for_its_own(rig: Rig) -> None:
    assert rig.hear() == "show neighbor json"
    rig.say("done", "done", _established("10.255.1.1"), "done")
    assert rig.hear() == "neighbor 10.255.1.1 flush adj-rib out"


def _established(*addresses: str) -> str:
    carried = {"families": ["ipv4 unicast", "ipv6 unicast"]}
    return json.dumps([{"fsm": "ESTABLISHED", "duration": 0, "peer": {"address": a}, **carried} for a in addresses])


def _families(told: list[dict[str, Any]]) -> dict[str, list[str]]:
    memories = [message["memory"] for message in told if "memory" in message]
    return {memory["neighbor"]: memory["families"] for memory in memories}


def test_what_a_session_carries_whose_open_it_missed_is_asked_for_before_it_is_told(rig: Rig) -> None:
    assert rig.hear() == "show neighbor json"
    rig.say(json.dumps([{"fsm": "OPENCONFIRM", "duration": 0, "peer": {"address": "10.255.1.1"}, "families": []}]))
    rig.say(UP, "done")
    client = Client(rig.path)
    assert rig.hear() == "show neighbor json"
    rig.say(_established("10.255.1.1"), "done")
    assert _families(client.until("ready")) == {"10.255.1.1": ["ipv4 unicast", "ipv6 unicast"]}
    client.close()


def test_a_controller_to_whom_such_a_session_was_told_already_is_told_everything_anew(rig: Rig) -> None:
    rig.begin()
    client = Client(rig.path)
    client.until("ready")
    rig.say(UP, UP.replace("10.255.1.1", "10.255.2.1"))
    assert rig.hear() == "show neighbor json"
    rig.say(_established("10.255.1.1"), "done")
    assert rig.hear() == "show neighbor json", "a session that came up meanwhile has its own answer"
    assert client.until("dropped")[-1] == {"dropped": True}
    client.close()
    rig.say(_established("10.255.1.1", "10.255.2.1"), "done")
    both, known, deadline = ["ipv4 unicast", "ipv6 unicast"], {}, time.monotonic() + 20
    while known != {"10.255.1.1": both, "10.255.2.1": both}:
        assert time.monotonic() < deadline, known
        again = Client(rig.path)
        known = _families(again.until("ready"))
        again.close()


@pytest.mark.parametrize("answer", [["error"], ["[}", "done"], ['[{"peer": 1}]', "done"], ['{"x":1}', "done"]])
def test_a_strange_answer_to_its_first_question_does_not_stop_it(rig: Rig, answer: list[str]) -> None:
    assert rig.hear() == "show neighbor json"
    rig.say(*answer)
    client = Client(rig.path)
    assert client.until("ready")[-1] == {"ready": True}
    client.close()


def test_nonsense_from_exabgp_changes_nothing(rig: Rig, client: Client) -> None:
    rig.say(
        "done", "error", "what?", '{"exabgp": 1}', '{"exabgp":"5","type":"state","neighbor":7}', "[" * 50_000, "\x01"
    )
    rig.say(UP)
    assert client.until("event")[-1]["event"] == {"exabgp": 1}
    assert client.read()["event"]["neighbor"] == 7
    assert client.read()["event"]["neighbor"]["state"] == "up"


def test_a_directory_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "late")
    rig.begin()
    (tmp_path / "late").mkdir()
    client = Client(rig.path)
    assert client.until("ready")[-1] == {"ready": True}
    client.close()
    rig.end()


def test_forgotten_connections_do_not_keep_the_controller_out(rig: Rig) -> None:
    rig.begin()
    forgotten = [Client(rig.path, "") for _ in range(20)]
    controller = Client(rig.path)
    assert controller.until("ready")[-1] == {"ready": True}
    assert forgotten[0].until("error")[-1] == {"error": "too many connections to this relay: close some"}
    for client in (*forgotten, controller):
        client.close()


def test_a_file_in_the_place_of_its_socket_is_replaced(rig: Rig, client: Client) -> None:
    rig.path.unlink()
    rig.path.write_text("not a socket")
    client.close()
    again = Client(rig.path)
    assert again.until("ready")[-1] == {"ready": True}
    again.close()


def processor_seconds(pid: int) -> float:
    """The processor time that a process has used (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def used_within_a_second(rig: Rig) -> float:
    before = processor_seconds(rig.process.pid)
    time.sleep(1.0)  # what it does while nothing can be done is what is asked
    return processor_seconds(rig.process.pid) - before


def test_while_exabgp_hangs_and_no_more_commands_fit_it_sleeps(rig: Rig, client: Client) -> None:
    client.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        for number in range(1, 100_000):
            client.command(ANNOUNCE + " 10.9.0.0/16" * 50, number)
    assert used_within_a_second(rig) < 0.3
    client.close()
    second = Client(rig.path)
    assert second.until("ready")[-1] == {"ready": True}
    second.close()


def test_without_a_descriptor_for_one_more_connection_it_sleeps_and_takes_it_later(rig: Rig, client: Client) -> None:
    there = {int(entry.name) for entry in Path(f"/proc/{rig.process.pid}/fd").iterdir()}
    _, most = resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE)
    # The limit is on the number, not on the count: every number below it is taken.
    assert there == set(range(len(there)))
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (len(there), most))
    client.close()
    first, second = Client(rig.path), Client(rig.path, "")
    first.until("ready")
    assert used_within_a_second(rig) < 0.3
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (len(there) + 10, most))
    assert second.read()["role"] == "relay"
    for each in (first, second):
        each.close()


def test_its_socket_goes_with_it(rig: Rig, client: Client) -> None:
    rig.process.terminate()
    assert rig.process.wait(timeout=20) == 0
    assert not rig.path.exists()


def test_the_socket_of_its_successor_stays(rig: Rig, client: Client) -> None:
    rig.path.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(rig.path))
        rig.process.terminate()
        assert rig.process.wait(timeout=20) == 0
        assert rig.path.exists()


def test_a_neighbor_that_exabgp_has_no_more_is_forgotten(rig: Rig, client: Client) -> None:
    rig.say(UP, UP.replace("10.255.1.1", "10.255.2.1"))
    client.read(), client.read()
    client.command("show neighbor json", 1)
    assert rig.hear() == "show neighbor json"
    rig.say(json.dumps([{"peer": {"address": "10.255.2.1"}}]), "done")
    client.until("answer")
    client.close()
    second = Client(rig.path)
    remembered = [message["memory"]["neighbor"] for message in second.until("ready") if "memory" in message]
    assert remembered == ["10.255.2.1"]
    second.close()
