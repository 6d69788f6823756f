"""What the kernel counts of interfaces is read from its table, however that looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.interface_counters import InterfaceCounters, interface_bytes, interface_counters, parsed

_TABLE = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
wg-bandung: 3000      9    0    0    0     0          0         0     4000      12    0    0    0     0       0          0
"""  # noqa: E501 - as the kernel writes it
_ZEROS = " 0" * 6


def test_the_kernels_table_gives_bytes_and_packets_of_both_directions() -> None:
    assert parsed(_TABLE) == {
        "lo": InterfaceCounters(100, 2, 100, 2),
        "wg-bandung": InterfaceCounters(3000, 9, 4000, 12),
    }


def test_a_name_with_a_colon_is_a_name() -> None:
    assert parsed(f"wg:0: 1 2{_ZEROS} 3 4{_ZEROS}") == {"wg:0": InterfaceCounters(1, 2, 3, 4)}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "wg0: 1 2 3",
        ": " + "1 " * 16,
        "wg0: " + "a " * 16,
        "wg0: " + "² " * 16,
        "wg0: " + "9" * 5000 + " 1" * 15,
        "wg0 " + "1 " * 16,
    ],
)
def test_a_line_that_is_no_interfaces_is_left_out_and_the_others_are_read(line: str) -> None:
    assert parsed(f"{line}\n{_TABLE}").keys() == {"lo", "wg-bandung"}


@given(st.text(alphabet="0123456789 :\nwgé²"))
def test_no_table_is_an_error(table: str) -> None:
    parsed(table)


def test_the_machine_has_a_table() -> None:
    assert "lo" in interface_bytes()


def test_a_table_that_cannot_be_read_gives_nothing(tmp_path: Path) -> None:
    assert interface_counters(tmp_path / "dev") == {}


def test_bytes_that_are_no_text_are_no_error(tmp_path: Path) -> None:
    table = tmp_path / "dev"
    table.write_bytes(b"\xff\xfe: 1\n" + _TABLE.encode())
    assert interface_counters(table).keys() == {"lo", "wg-bandung"}
