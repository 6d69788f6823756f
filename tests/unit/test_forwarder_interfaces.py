"""What the kernel's notifications of links mean for tunnels."""

from __future__ import annotations

import pytest

from hub.forwarder.interfaces import Interfaces, LinkChange
from hub.forwarder.netlink.links import Link


def with_link(link: Link | None) -> Interfaces:
    interfaces = Interfaces()
    interfaces.replace([link] if link else [])
    return interfaces


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (None, Link(3, "wg1", up=True), [LinkChange("wg1", up=True)]),
        (None, Link(3, "wg1", up=False), [LinkChange("wg1", up=False)]),
        (Link(3, "wg1", up=True), Link(3, "wg1", up=True), []),
        (Link(3, "wg1", up=False), Link(3, "wg1", up=True), [LinkChange("wg1", up=True)]),
        (Link(3, "wg1", up=True), Link(3, "wg1", up=False), [LinkChange("wg1", up=False, lost_index=3)]),
        (
            Link(3, "wg1", up=True),
            Link(3, "wg2", up=True),
            [LinkChange("wg1", up=False), LinkChange("wg2", up=True)],
        ),
    ],
)
def test_a_notification_becomes_changes(before: Link | None, after: Link, changes: list[LinkChange]) -> None:
    interfaces = with_link(before)
    assert interfaces.changed(after) == changes
    assert interfaces.usable(after.name) == (after.index if after.up else 0)


def test_an_interface_that_is_deleted_is_no_longer_there() -> None:
    interfaces = with_link(Link(3, "wg1", up=True))
    assert interfaces.gone(Link(3, "wg1", up=False)) == [LinkChange("wg1", up=False, lost_index=3)]
    assert (interfaces.usable("wg1"), interfaces.present(), interfaces.name_of(3)) == (0, {}, "")
    assert interfaces.gone(Link(3, "wg1", up=False)) == []


def test_an_old_interface_that_goes_does_not_take_a_new_one_of_the_same_name_with_it() -> None:
    interfaces = with_link(Link(3, "wg1", up=True))
    interfaces.changed(Link(9, "wg1", up=True))
    interfaces.gone(Link(3, "wg1", up=True))
    assert interfaces.usable("wg1") == 9


def test_after_lost_notifications_a_whole_list_tells_what_changed() -> None:
    interfaces = with_link(Link(3, "wg1", up=True))
    changes = interfaces.replace([Link(4, "wg2", up=True)])
    assert changes == [LinkChange("wg1", up=False, lost_index=3), LinkChange("wg2", up=True)]
