"""forwarder.sock: greetings, roles, bad lines and slow readers."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hub.control.lock import AlreadyRunningError
from hub.forwarder import server as server_module
from hub.forwarder import steps
from hub.forwarder.fields import FieldError
from hub.forwarder.loop import Loop
from hub.forwarder.orders import Command, Look
from hub.forwarder.server import Server
from speaker.listener import Listener


class House:
    """A server with its loop, turned by hand, and the commands that reached it."""

    def __init__(self, path: Path) -> None:
        self.loop = Loop()
        self.obeyed: list[Command] = []
        self.path = path
        self.server = Server(self.loop, path, lambda: {"started": 1.0}, self._obey)
        self.server.listen()

    def _obey(self, command: Command) -> None:
        if command == Look(frozenset({"nobody"})):
            raise FieldError("look[0]: unknown branch")
        self.obeyed.append(command)

    def turn(self) -> None:
        """Handle everything that waits."""
        self.loop.call_at(self.loop.now(), lambda: None)
        self.loop.step()
        self.loop.call_at(self.loop.now(), lambda: None)
        self.loop.step()


class Peer:
    def __init__(self, house: House, role: str | None = None) -> None:
        self.house = house
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(house.path))
        house.turn()
        if role:
            self.say({"pointsman": 1, "role": role})

    def say(self, *lines: dict[str, Any]) -> None:
        self.send(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.house.turn()

    def hear(self) -> list[dict[str, Any]]:
        """All lines that wait; the last one is {} when the connection is closed."""
        self.socket.settimeout(0)
        data = b""
        try:
            while piece := self.socket.recv(1 << 20):
                data += piece
            data += b"{}\n"
        except BlockingIOError:
            pass
        return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "forwarder.sock")
    peers: list[Peer] = []
    yield made
    for peer in peers:
        peer.socket.close()
    made.server.close()
    made.loop.close()


@pytest.fixture
def meet(house: House) -> Iterator[Any]:
    peers: list[Peer] = []

    def make(role: str | None = None) -> Peer:
        peers.append(Peer(house, role))
        return peers[-1]

    yield make
    for peer in peers:
        peer.socket.close()


def test_a_greeting_is_followed_by_one_snapshot_and_then_by_changes(house: House, meet: Any) -> None:
    peer = meet("reader")
    house.server.tell([{"gone": "a"}, {"gone": "b"}])
    assert peer.hear() == [
        {"pointsman": 1, "role": "forwarder"},
        {"snapshot": {"started": 1.0}},
        {"gone": "a"},
        {"gone": "b"},
    ]


def test_who_has_not_greeted_hears_no_changes(house: House, meet: Any) -> None:
    peer = meet()
    house.server.tell([{"gone": "a"}])
    assert peer.hear() == [{"pointsman": 1, "role": "forwarder"}]


def test_a_second_controller_is_told_who_is_connected_until_the_first_leaves(house: House, meet: Any) -> None:
    first, second = meet("controller"), meet("controller")
    _greeting, refusal, closed = second.hear()
    assert "a controller is connected already (process " in refusal["error"]
    assert closed == {}
    first.socket.close()
    house.turn()
    assert "snapshot" in meet("controller").hear()[-1]


@pytest.mark.parametrize("line", [{}, {"pointsman": 2, "role": "reader"}, {"pointsman": 1, "role": "relay"}])
def test_a_stranger_is_told_what_is_wrong_and_left(meet: Any, line: dict[str, Any]) -> None:
    peer = meet()
    peer.say(line)
    *_, refusal, closed = peer.hear()
    assert list(refusal) == ["error"]
    assert closed == {}


def test_commands_of_the_controller_are_obeyed_and_those_of_readers_are_not(house: House, meet: Any) -> None:
    controller, reader = meet("controller"), meet("reader")
    controller.say({"look": ["bandung"]})
    reader.say({"look": ["bogor"]}, {"get": "status"})
    assert house.obeyed == [Look(frozenset({"bandung"}))]
    error, status = reader.hear()[2:]
    assert "only ask" in error["error"]
    assert status == {"status": {"started": 1.0}}


@pytest.mark.parametrize(("line", "place"), [({"look": [7]}, "look[0]"), ({"look": ["nobody"]}, "unknown branch")])
def test_a_bad_order_is_answered_and_the_connection_stays(
    house: House, meet: Any, line: dict[str, Any], place: str
) -> None:
    controller = meet("controller")
    controller.say(line)
    assert place in controller.hear()[-1]["error"]
    controller.say({"look": []})
    assert house.obeyed == [Look(frozenset())]


def test_a_line_that_is_no_json_ends_the_connection(house: House, meet: Any) -> None:
    controller = meet("controller")
    controller.send(b"{nonsense\n")
    *_, error, closed = controller.hear()
    assert "not a line of JSON" in error["error"]
    assert closed == {}
    assert house.server.counters["lines refused"] == 1


def test_a_line_cut_in_half_waits_for_its_rest(house: House, meet: Any) -> None:
    controller = meet("controller")
    controller.send(b'{"look": ["ban')
    assert house.obeyed == []
    controller.send(b'dung"]}\n')
    assert house.obeyed == [Look(frozenset({"bandung"}))]


def test_a_slow_reader_gets_everything_in_the_end(house: House, meet: Any) -> None:
    peer = meet("reader")
    heard = peer.hear()
    for number in range(40):
        house.server.tell([{"gone": f"{number:10}" * 1000}])
    while len(heard) < 42:
        heard += peer_lines(peer, house)
    assert [line["gone"][:10].strip() for line in heard[2:]] == [str(number) for number in range(40)]


def peer_lines(peer: Peer, house: House) -> list[dict[str, Any]]:
    """Lines until the sender has no more; a half line at the end is waited for."""
    peer.socket.settimeout(0)
    data = b""
    while not data.endswith(b"\n"):
        with suppress(BlockingIOError):
            data += peer.socket.recv(1 << 20)
        house.turn()
    return [json.loads(line) for line in data.splitlines()]


def test_a_reader_that_never_reads_is_dropped(house: House, meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LARGEST_BACKLOG", 100_000)
    meet("reader")
    for _ in range(60):
        house.server.tell([{"gone": "a" * 10_000}])
    assert house.server.counters["connections dropped: too slow"] == 1
    house.server.tell([{"gone": "b"}])


def test_a_peer_that_disappears_is_forgotten(house: House, meet: Any) -> None:
    meet("controller").socket.close()
    house.server.tell([{"gone": "a"}])
    house.turn()
    assert "snapshot" in meet("controller").hear()[-1]


def test_the_socket_is_for_its_group_only_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "forwarder.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    house = House(path)
    assert path.stat().st_mode & 0o777 == 0o660
    house.server.close()
    house.loop.close()
    assert not path.exists()


def test_a_second_forwarder_in_the_same_directory_is_refused(house: House) -> None:
    with pytest.raises(AlreadyRunningError, match="a forwarder is running already"):
        Server(house.loop, house.path, dict, lambda _command: None)


def test_too_many_connections_are_refused_one_by_one(house: House, meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    first = meet("reader")
    meet("reader")
    assert "connections are open already" in meet().hear()[0]["error"]
    house.server.tell([{"gone": "a"}])
    assert first.hear()[-1] == {"gone": "a"}


def test_a_socket_file_that_is_removed_or_replaced_comes_back(
    house: House, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LOOK_EVERY_NS", 0)
    before = meet("reader")
    for instead in (None, "not a socket"):
        house.path.unlink()
        if instead is not None:
            house.path.write_text(instead)
        while not house.path.is_socket():
            house.turn()
        assert "snapshot" in meet("reader").hear()[-1]
    house.server.tell([{"gone": "a"}])
    assert before.hear()[-1] == {"gone": "a"}


def test_a_directory_that_goes_is_complained_of_once_and_its_return_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LOOK_EVERY_NS", 0)
    said: list[str] = []
    loop, path = Loop(), tmp_path / "run" / "forwarder.sock"
    path.parent.mkdir()
    server = Server(loop, path, dict, lambda _command: None, said.append)
    path.with_suffix(".lock").unlink()
    path.parent.rmdir()
    server.listen()
    for _ in range(5):
        loop.step()
    assert said == [f"cannot listen at {path}: No such file or directory; is its directory there, and writable?"]
    path.parent.mkdir()
    loop.step()
    assert path.is_socket()
    server.close()
    loop.close()


def test_a_reader_that_asks_without_end_is_told_and_left(house: House, meet: Any) -> None:
    greedy = meet("reader")
    greedy.hear()
    greedy.send(b'{"get":"status"}\n' * 1000)
    answers = greedy.hear()
    assert answers[-1] == {}
    assert "ask less often" in answers[-2]["error"]
    assert sum("status" in answer for answer in answers) <= 2 * server_module.MOST_QUESTIONS


def test_a_newer_peer_is_told_both_versions_and_the_mend(meet: Any) -> None:
    peer = meet()
    peer.say({"pointsman": 2, "role": "controller", "something": "new"})
    *_, error, end = peer.hear()
    assert "this forwarder speaks version 1 and the other side version 2: upgrade the forwarder" in error["error"]
    assert end == {}
    assert len(meet("controller").hear()) == 2


def long_line(prefixes: int) -> dict[str, Any]:
    return {"set": "classes", "classes": [], "unreachable": [f"10.{n // 256}.{n % 256}.0/24" for n in range(prefixes)]}


def test_a_long_line_is_read_in_slices_and_what_follows_it_waits(
    house: House, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "SLICE_NS", 0)
    peer = meet("controller")
    peer.say(long_line(3500), {"look": ["bandung"]})
    assert house.obeyed == []
    deadline = time.monotonic() + 20
    while len(house.obeyed) < 2 and time.monotonic() < deadline:
        house.turn()
    assert [type(command).__name__ for command in house.obeyed] == ["SetClasses", "Look"]


def test_a_peer_that_goes_in_the_middle_of_its_long_line_leaves_nothing_behind(
    house: House, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "SLICE_NS", 0)
    peer = meet("controller")
    peer.say(long_line(3500))
    peer.socket.close()
    for _ in range(20):
        house.turn()
    assert house.obeyed == []
    assert len(meet("controller").hear()) == 2


def test_without_descriptors_nobody_is_taken_and_later_all_are(
    house: House, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A listener that cannot take anybody."""

        def __init__(self, real: socket.socket) -> None:
            self.fileno = real.fileno

        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    listener = house.server._listener
    assert listener is not None
    real = listener.socket
    with monkeypatch.context() as patch:
        full: Any = Full(real)
        patch.setattr(house.server, "_listener", Listener(full, listener.path, listener.file))
        peer = meet()
        assert peer.hear() == []
        assert house.server.counters["connections not taken"] == 1
    house.server.listen()
    house.turn()
    assert peer.hear()[0]["role"] == "forwarder"


def test_samples_are_told_to_the_controller_and_to_no_reader(house: House, meet: Any) -> None:
    reader, controller = meet("reader"), meet("controller")
    controller.hear(), reader.hear()
    house.server.tell_controller({"samples": []})
    assert controller.hear() == [{"samples": []}]
    assert reader.hear() == []


def test_a_controller_that_does_not_read_is_told_no_more_samples_and_stays(house: House, meet: Any) -> None:
    controller = meet("controller")
    for _ in range(2000):
        house.server.tell_controller({"samples": ["x" * 1000]})
    assert house.server.counters["samples not told: too slow"] > 0
    assert house.server.counters["connections dropped: too slow"] == 0
    assert controller.hear()
