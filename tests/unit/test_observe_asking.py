"""What is asked by which way, and what each kind of question makes of what it meets. Real sockets, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import dns.message
import dns.rcode
import pytest
from small_network import HUB, a_branch, a_network

from hub.observe.answer import Answer, CannotAskError, of_error
from hub.observe.asking import askings, through
from hub.observe.custom import Context, from_environment, to_environment
from hub.observe.dns_query import query
from hub.observe.http_get import get
from hub.observe.icmp_echo import checksum, encode_request, is_reply
from hub.observe.tcp_connect import connect
from hub.observe.way import Way
from policies.model.targets import Check, CheckKey, DnsQuery, HttpGet, Outcome, Ping, Run, TcpConnect, Via

LOCAL = ip_address("127.0.0.1")
ANYHOW = Way()


def test_a_target_is_asked_through_each_tunnel_from_the_hubs_end_of_it() -> None:
    branch = replace(a_branch("bandung"), targets=(Check("erp", Ping(ip_address("10.1.0.10"))),))
    asked = askings(a_network(branch))
    assert set(asked) == {CheckKey("bandung", "erp", "fiber"), CheckKey("bandung", "erp", "wireless")}
    fiber = branch.tunnels[0]
    assert asked[CheckKey("bandung", "erp", "fiber")].way == Way(fiber.interface, fiber.link.hub) == through(fiber)


def test_a_target_via_active_is_asked_once_by_the_routes() -> None:
    branch = replace(a_branch("bandung"), targets=(Check("erp", Ping(ip_address("10.1.0.10")), via=Via.ACTIVE),))
    (asking,) = askings(a_network(branch)).values()
    assert (asking.key.tunnel, asking.way) == ("", ANYHOW)


def test_external_targets_are_asked_through_their_uplink() -> None:
    check = Check("1.1.1.1", Ping(ip_address("1.1.1.1")), via=Via.ACTIVE)
    uplinks = {**HUB.uplinks, "telkom": replace(HUB.uplinks["telkom"], targets=(check,), quorum=1)}
    (asking,) = askings(replace(a_network(), hub=replace(HUB, uplinks=uplinks))).values()
    assert (asking.key.place, asking.way) == ("hub:hq/telkom", Way("eth0"))


def test_the_tunnels_of_a_check_are_evenly_apart_and_branches_anywhere() -> None:
    check = Check("erp", Ping(ip_address("10.1.0.10")))
    branches = [replace(a_branch(f"b{n}", number=n), targets=(check,)) for n in range(40)]
    asked = askings(a_network(*branches))
    phases = {key: asking.phase for key, asking in asked.items()}
    assert all(0 <= phase < 1 for phase in phases.values())
    apart = [
        (phases[CheckKey(b.name, "erp", "wireless")] - phases[CheckKey(b.name, "erp", "fiber")]) % 1 for b in branches
    ]
    assert apart == [pytest.approx(0.5)] * 40
    quarters = {int(phase * 4) for phase in phases.values()}
    assert quarters == {0, 1, 2, 3}
    assert askings(a_network(*branches)) == asked


def test_a_custom_check_is_told_the_tunnel_that_it_is_for() -> None:
    branch = replace(a_branch("bandung"), targets=(Check("mtu", Run("checks/mtu.sh", ("-x",))),))
    asking = askings(a_network(branch))[CheckKey("bandung", "mtu", "fiber")]
    fiber = branch.tunnels[0]
    assert asking.context == Context(
        "bandung", "fiber", fiber.interface, str(fiber.link.hub), str(fiber.link.branch), 2.0, ("-x",)
    )
    assert from_environment(to_environment(asking.context), ("-x",)) == asking.context


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server on loopback that hands each connection to `answer`, in a thread; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(4) as pool:
        stopped = threading.Event()

        def accept() -> None:
            while not stopped.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    if stopped.is_set():
                        connection.close()
                    else:
                        pool.submit(_answered, answer, connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopped.set()
            with contextlib.suppress(OSError), socket.create_connection(server.getsockname()):
                pass
            thread.join()


def _answered(answer: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        answer(connection)


def asked_http(port: int, *, expect: int = 200, timeout: float = 20.0, path: str = "/health") -> Answer:
    async def ask() -> Answer:
        async with asyncio.timeout(timeout):
            return await get(HttpGet(LOCAL, port, path, expect), ANYHOW, timeout, threads)

    with ThreadPoolExecutor(2) as threads:
        return asyncio.run(ask())


def says(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)

    return answer


@pytest.mark.parametrize(
    ("answer", "outcome", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Outcome.ANSWERED, ""),
        (b"HTTP/1.0 200 OK\r\n\r\nbody without end", Outcome.ANSWERED, ""),
        (b"HTTP/1.1 500 Oh\r\n\r\n", Outcome.FAILED, "status 500, not 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", Outcome.FAILED, "status 302, not 200"),
        (b"SSH-2.0-OpenSSH\r\n", Outcome.FAILED, "answers, but not in HTTP"),
        (b"HTTP/1.1 " + b"x" * 100_000, Outcome.FAILED, "answers, but not in HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n", Outcome.FAILED, "answers, but not in HTTP"),
        (b"", Outcome.FAILED, "answers, but not in HTTP"),
    ],
)
def test_http_is_judged_by_its_status(answer: bytes, outcome: Outcome, text: str) -> None:
    with serving(says(answer)) as port:
        found = asked_http(port)
    assert found.outcome is outcome
    assert found.text.startswith(text)
    assert (found.round_trip is not None) == (outcome is Outcome.ANSWERED)


def test_http_asks_for_the_path_and_the_expected_status() -> None:
    requests = []

    def answer(connection: socket.socket) -> None:
        requests.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with serving(answer) as port:
        assert asked_http(port, expect=204, path="/a?b=c").outcome is Outcome.ANSWERED
    assert requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}".encode() in requests[0]


def test_http_that_comes_byte_by_byte_ends_at_the_timeout_and_frees_its_thread() -> None:
    stop = threading.Event()

    def answer(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK" * 1000:
            if stop.wait(0.1):
                return
            connection.sendall(bytes([byte]))

    with serving(answer) as port:
        with pytest.raises(TimeoutError):  # leaving its threads waits for them
            asked_http(port, timeout=1.0)
        stop.set()


def asked_tcp(port: int, address: str = "127.0.0.1", way: Way = ANYHOW) -> Answer:
    return asyncio.run(connect(TcpConnect(ip_address(address), port), way))


def test_tcp_that_accepts_answers_and_one_that_refuses_does_not() -> None:
    with serving(lambda _: None) as port:
        assert asked_tcp(port).outcome is Outcome.ANSWERED
    with pytest.raises(ConnectionRefusedError) as refused:
        asked_tcp(port)
    assert of_error(refused.value) == Answer(Outcome.FAILED, text="connection refused")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError(113, "No route to host"), Outcome.FAILED),
        (OSError(101, "Network is unreachable"), Outcome.FAILED),
        (OSError(126, "Required key not available"), Outcome.FAILED),
        (OSError(24, "Too many open files"), Outcome.UNKNOWN),
        (PermissionError(1, "Operation not permitted"), Outcome.UNKNOWN),
    ],
)
def test_our_own_trouble_is_not_the_targets(error: OSError, outcome: Outcome) -> None:
    assert of_error(error).outcome is outcome


@pytest.mark.parametrize(
    ("way", "why"),
    [
        (Way("no-such-device", IPv4Address("10.255.0.0")), "there is no interface no-such-device"),
        (Way("lo", IPv4Address("10.255.0.0")), "10.255.0.0 is no address of this machine"),
    ],
)
def test_a_way_that_is_not_there_says_nothing_of_the_target(way: Way, why: str) -> None:
    with pytest.raises(CannotAskError, match=why) as problem:
        asked_tcp(1, way=way)
    assert problem.value.mend


def test_an_ipv6_target_cannot_be_asked_through_a_tunnel_separately() -> None:
    with pytest.raises(CannotAskError, match="IPv6 cannot be asked through lo separately"):
        asked_tcp(1, "2001:db8::1", Way("lo", IPv4Address("127.0.0.1")))


def test_an_uplink_is_asked_through_from_its_own_address() -> None:
    with serving(lambda _: None) as port:
        assert asked_tcp(port, way=Way("lo")).outcome is Outcome.ANSWERED


@contextlib.contextmanager
def name_server(*answers: Callable[[dns.message.Message], bytes]) -> Iterator[int]:
    """A DNS server on loopback that gives these answers to one question; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)

        def serve() -> None:
            data, client = server.recvfrom(4096)
            for answer in answers:
                server.sendto(answer(dns.message.from_wire(data)), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def response(code: str) -> Callable[[dns.message.Message], bytes]:
    def answer(question: dns.message.Message) -> bytes:
        made = dns.message.make_response(question)
        made.set_rcode(dns.rcode.from_text(code))
        return made.to_wire()

    return answer


def another(question: dns.message.Message) -> bytes:
    return dns.message.make_response(dns.message.make_query("other.example", "A")).to_wire()


@pytest.mark.parametrize(
    ("answers", "outcome", "text"),
    [
        ((response("NOERROR"),), Outcome.ANSWERED, ""),
        ((response("NXDOMAIN"),), Outcome.FAILED, "answers NXDOMAIN"),
        ((response("SERVFAIL"),), Outcome.FAILED, "answers SERVFAIL"),
        ((lambda _: b"nonsense", another, lambda _: b"", response("NOERROR")), Outcome.ANSWERED, ""),
        ((lambda question: question.to_wire(), response("REFUSED")), Outcome.FAILED, "answers REFUSED"),
    ],
)
def test_dns_is_judged_by_the_answer_to_its_own_question(
    answers: tuple[Callable[[dns.message.Message], bytes], ...], outcome: Outcome, text: str
) -> None:
    async def ask(port: int) -> Answer:
        async with asyncio.timeout(20):
            return await query(DnsQuery(LOCAL, "erp.example"), ANYHOW, port)

    with name_server(*answers) as port:
        found = asyncio.run(ask(port))
    assert (found.outcome, found.text) == (outcome, text)


def test_an_echo_request_is_that_of_rfc_792() -> None:
    token = b"0123456789abcdef01234567"
    packet = encode_request(4, 0x1234, token)
    assert packet[:2] == b"\x08\x00"
    assert checksum(packet) == 0
    assert encode_request(6, 0x1234, token)[0] == 128


@pytest.mark.parametrize(
    ("data", "version", "raw", "wanted"),
    [
        (b"\x00\x00CCIISS" + b"t" * 24, 4, False, True),
        (b"\x45" + b"." * 19 + b"\x00\x00CCIISS" + b"t" * 24, 4, True, True),
        (b"\x81\x00CCIISS" + b"t" * 24, 6, True, True),
        (b"\x08\x00CCIISS" + b"t" * 24, 4, False, False),
        (b"\x00\x00CCIISS" + b"u" * 24, 4, False, False),
        (b"\x00\x00CC", 4, False, False),
        (b"", 4, True, False),
        (b"\x4f", 4, True, False),
    ],
)
def test_only_the_reply_to_this_request_counts(data: bytes, version: int, raw: bool, wanted: bool) -> None:
    assert is_reply(data, version, b"t" * 24, raw=raw) is wanted
