"""The hub's processes in the lab: started by the same command as anywhere else."""

from __future__ import annotations

import sys
from pathlib import Path

from hub.lab.names import LabPlace
from hub.lab_overrides import LabOverrides


def pointsman_command() -> list[str]:
    """How `pointsman` is started with the interpreter, and the installation, that runs now."""
    script = Path(sys.executable).with_name("pointsman")
    return [str(script)] if script.exists() else [sys.executable, "-m", "hub.cli.main"]


def hub_command(place: LabPlace, configuration: Path, overrides: LabOverrides) -> list[str]:
    """What runs in the hub's namespace: all of the hub's processes, under `pointsman run`."""
    return [*pointsman_command(), *run_words(place, configuration, overrides)]


def run_words(place: LabPlace, configuration: Path, overrides: LabOverrides) -> list[str]:
    """What follows `pointsman` to run this lab's hub."""
    directories = ["--config", str(configuration), "--run-dir", str(place.run), "--state-dir", str(place.state)]
    return ["run", *directories, *overrides.arguments()]


def hub_environment(place: LabPlace, configuration: Path) -> dict[str, str]:
    """What makes `pointsman status` in a lab's shell find that lab's hub."""
    return {
        "POINTSMAN_CONFIG": str(configuration),
        "POINTSMAN_RUN_DIR": str(place.run),
        "POINTSMAN_STATE_DIR": str(place.state),
    }
