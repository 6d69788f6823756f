"""Traffic over the tunnels, and what can be seen of it on the wire."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernel_ipsec_network import IpsecNetwork

CLEAR_TEXT = b"pointsman-clear!"
"""What every ping carries; 16 bytes are all that ping repeats."""


class Pings:
    """A Pings is a stream of echo requests that goes on until it has been told to end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lost = -1
        """How many were not answered; known at the end."""

    def end(self) -> None:
        """Stop it, and count."""
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=30)
        self.lost = unanswered(said)


def unanswered(said: str) -> int:
    """How many requests had no answer, by what `ping` has printed; the last two may have been on their way."""
    summary = re.search(r"(\d+) packets transmitted", said)
    assert summary, said
    sent = int(summary[1])
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
    missing = [number for number in range(1, sent + 1) if number not in answered]
    on_their_way = sum(number > max(sent - 2, max(answered, default=0)) for number in missing)
    return len(missing) - on_their_way


@contextmanager
def pinging(network: IpsecNetwork, source: str, target: str, interval: float = 0.05) -> Iterator[Pings]:
    """Ping from the hub all the while."""
    command = network.inside("hub", "ping", "-n", "-i", str(interval), "-I", source, target)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pings = Pings(process)
    try:
        yield pings
        pings.end()
    finally:
        process.kill()
        process.wait()


def answers(network: IpsecNetwork, interface: str, target: str, *options: str) -> bool:
    """Whether any of five pings from the hub through the interface is answered."""
    pattern = ("-p", CLEAR_TEXT.hex())
    command = network.inside(
        "hub", "ping", "-n", "-c", "5", "-i", "0.1", "-W", "2", "-I", interface, *pattern, *options
    )
    return subprocess.run([*command, target], capture_output=True, timeout=60).returncode == 0


@dataclass(frozen=True, slots=True)
class Capture:
    """A Capture is what passed an interface: as bytes, and as tcpdump reads it, a line a packet."""

    raw: bytes
    lines: tuple[str, ...]

    @property
    def clear(self) -> list[str]:
        """The packets that are neither ESP nor IKE."""
        return [line for line in self.lines if not re.search(r"ESP\(spi=|isakmp", line)]


class Capturing:
    """A Capturing has its capture when it has ended."""

    capture: Capture


@contextmanager
def capturing(network: IpsecNetwork, part: str, interface: str, directory: Path) -> Iterator[Capturing]:
    """Capture IPv4 on an interface meanwhile."""
    file = directory / f"{part}-{interface}.pcap"
    command = network.inside(
        part, "tcpdump", "-n", "--immediate-mode", "-U", "-i", interface, "-Z", "root", "-w", str(file), "ip"
    )
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    result = Capturing()
    try:
        assert any("listening on" in line for line in process.stderr), "tcpdump ended at once"
        yield result
    finally:
        process.terminate()
        process.communicate(timeout=30)
    lines = network.output(part, "tcpdump", "-n", "-r", str(file), "-Z", "root").splitlines()
    result.capture = Capture(file.read_bytes(), tuple(lines))
