"""What is said of a provisioner that was asked and gave no answer: whether there is none, or one that is not heard."""

from __future__ import annotations

from hub.control.client import BusyError, NotRunningError

NONE_RUNS = "no provisioner is running here"
START = "systemctl start pointsman-provisioner"
HANGS_MEND = (
    "ask again, as it does one thing after the other; if it stays so: journalctl -u pointsman-provisioner, then "
    "systemctl restart pointsman-provisioner, by which no tunnel goes"
)


def silence(error: NotRunningError) -> tuple[str, str]:
    """What is wrong, and the mend."""
    if isinstance(error, BusyError):
        return f"the provisioner is running, but {error}", HANGS_MEND
    return f"{NONE_RUNS}: {error}", START
