"""How long `pointsman apply` waits: longer than the controller may take."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from hub.bgp.reload import TAKEN_WITHIN, VALIDATED_WITHIN
from hub.bgp.speakers import Speakers
from hub.cli.apply import patience
from hub.control.places import Places
from hub.controller.ending import LEAVE_WITHIN
from hub.controller.taking import IN_TURN_SECONDS
from hub.controller.tunnels import TAKEN_SECONDS

RETIRING: float = inspect.signature(Speakers.retire).parameters["timeout"].default


@pytest.mark.parametrize("processes", [0, 1, 3, 5])
def test_it_waits_longer_than_the_controller_for_one_process_more_than_there_are(
    tmp_path: Path, processes: int
) -> None:
    places = Places(run=tmp_path)
    for process in range(1, processes + 1):
        places.exabgp_config(process).touch()
    judging = VALIDATED_WITHIN * (processes + 1)
    making = TAKEN_SECONDS + IN_TURN_SECONDS
    assert patience(places) > making + judging + 2 * RETIRING + 2 * TAKEN_WITHIN + LEAVE_WITHIN


def test_it_waits_all_the_same_where_no_directory_can_be_read(tmp_path: Path) -> None:
    assert patience(Places(run=tmp_path / "gone")) > 0
