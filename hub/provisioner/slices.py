"""Which slices there are, in the order in which they are applied; wired by hand."""

from __future__ import annotations

from hub.control.places import Places
from hub.provisioner.changes import Slice
from hub.provisioner.mss.backend import Mss
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.sysctls.backend import Sysctls
from hub.provisioner.uplinks.backend import Uplinks
from hub.provisioner.wireguard.slice import wireguard_slice


def slices_of(places: Places) -> tuple[Slice, ...]:
    """All slices of a hub whose files are at these places: pins first, so that no packet leaves by another uplink."""
    state = places.state
    return (Uplinks(state), wireguard_slice(state), Sysctls(state), Mss(state))


def provisioner_of(places: Places) -> Provisioner:
    """What plans and applies for this hub."""
    return Provisioner(slices_of(places), places.provisioner_lock)
