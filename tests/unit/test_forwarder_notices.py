"""The kernel's notifications of routes are silenced for a moment, and are as they were afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.forwarder.netlink.notices import RouteNotices


@pytest.mark.parametrize(("before", "within"), [("1\n", "0\n"), ("0\n", "0\n")])
def test_the_mode_is_off_within_and_as_it_was_afterwards(tmp_path: Path, before: str, within: str) -> None:
    file = tmp_path / "nexthop_compat_mode"
    file.write_text(before)
    notices = RouteNotices(file)
    with notices.silenced():
        assert file.read_text() == within
    assert file.read_text() == before
    notices.close()


def test_it_is_as_it_was_also_after_an_error(tmp_path: Path) -> None:
    file = tmp_path / "nexthop_compat_mode"
    file.write_text("1\n")
    notices = RouteNotices(file)
    with pytest.raises(OSError, match="refused"), notices.silenced():
        raise OSError("refused")
    assert file.read_text() == "1\n"
    notices.close()


def test_where_the_mode_cannot_be_set_the_block_runs_all_the_same(tmp_path: Path) -> None:
    ran = []
    with RouteNotices(tmp_path / "missing").silenced():
        ran.append(True)
    assert ran
