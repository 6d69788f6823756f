"""IPv6 on one interface, switched on where a tunnel carries it."""

from __future__ import annotations

from pathlib import Path

from hub.provisioner.changes import ProvisionError


def enable_ipv6(name: str) -> None:
    """Let an interface have IPv6 addresses, whatever new ones of this machine may have.

    Raises:
        ProvisionError: this kernel has no IPv6.
    """
    path = Path("/proc/sys/net/ipv6/conf", name, "disable_ipv6")
    try:
        if path.read_text().strip() != "0":
            path.write_text("0\n")
    except OSError as error:
        text = f"{name}: IPv6 cannot be switched on: {error.strerror}"
        raise ProvisionError(text, "this kernel has no IPv6: begin it with ipv6.disable=0") from None
