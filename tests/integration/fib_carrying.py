"""A class that is carried, from where most tests of the forwarder begin."""

from __future__ import annotations

from typing import Any

from fib_namespaces import (
    A,
    B,
    Controller,
    set_classes,
    set_tunnels,
)


def carrying(controller: Controller, **changes: Any) -> None:
    """Both tunnels live, the class on the first."""
    controller.say(set_tunnels())
    for name in (A, B):
        controller.wait("liveness", lambda value, name=name: value["tunnel"] == name and value["state"] == "up")
    controller.say(set_classes(**changes))
    controller.wait("class", lambda value: value["installed"])
