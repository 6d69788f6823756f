"""What is looked at of IPsec where none is wanted any more: what an interrupted removal has left."""

from __future__ import annotations

from pathlib import Path

import pytest
from ipsec_values import NETWORK, tunnel, wanting

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec import seen as seen_module
from hub.provisioner.ipsec.clear_text import Block
from hub.provisioner.ipsec.memory import Memory, remember
from hub.provisioner.ipsec.names import connection_name
from hub.provisioner.ipsec.plan import plan
from hub.provisioner.ipsec.seen import InCharon, InKernel, look

FIBER = tunnel()
NAME = connection_name(NETWORK, FIBER.tunnel)
BLOCK = Block("10.254.0.43", "10.254.0.42", "gre")


def left(
    state: Path, patch: pytest.MonkeyPatch, charon: InCharon | ProvisionError, kernel: InKernel | None = None
) -> list[str]:
    """What is done where charon and the kernel have this, and no tunnel is wanted."""

    def look_into_charon(_: Path) -> InCharon:
        if isinstance(charon, ProvisionError):
            raise charon
        return charon

    patch.setattr(seen_module, "look_into_charon", look_into_charon)
    patch.setattr(seen_module, "look_into_kernel", lambda _: kernel or InKernel())
    patch.setattr(seen_module, "blocks", lambda: frozenset({BLOCK}))
    wanted = wanting()
    return [type(each.how).__name__ for each in plan(wanted, look(wanted, Path("vici"), state, state)).changes]


def test_a_key_and_certificates_that_an_interrupted_removal_left_in_charon_go_with_the_next_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, Memory("00" * 32, certificates={"print": NAME}, loaded_keys={"key": NAME}))
    charon = InCharon(keys=frozenset({"key"}), certificates=frozenset({"print"}))
    assert left(tmp_path, monkeypatch, charon) == ["DropKey", "ClearCredentials"]


def test_where_charon_is_stopped_it_has_nothing_left_and_nobody_is_told_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, Memory("00" * 32, certificates={"print": NAME}, loaded_keys={"key": NAME}))
    assert left(tmp_path, monkeypatch, ProvisionError("charon does not answer")) == []


def test_what_was_loaded_into_a_charon_before_its_restart_is_not_ours_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, Memory("00" * 32, certificates={"old": NAME, "print": NAME}, started="before"))
    charon = InCharon(certificates=frozenset({"print"}), started="now")
    monkeypatch.setattr(seen_module, "look_into_charon", lambda _: charon)
    monkeypatch.setattr(seen_module, "look_into_kernel", lambda _: InKernel())
    seen = look(wanting(), Path("vici"), tmp_path, tmp_path)
    assert (seen.memory.certificates, seen.memory.started) == ({"print": NAME}, "now")


def test_what_an_interrupted_removal_left_of_policies_in_the_kernel_goes_with_the_next_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = InKernel(guards=frozenset({"10.254.0.43"}))
    assert left(tmp_path, monkeypatch, InCharon(), kernel) == ["DropBlock", "DropGuard"]


@pytest.mark.parametrize("there", [frozenset({BLOCK}), None], ids=["blocks", "a kernel that has none"])
def test_where_charon_encrypts_itself_blocks_of_a_kernel_that_encrypted_before_are_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: frozenset[Block] | None
) -> None:
    def blocks() -> frozenset[Block]:
        if there is None:
            raise ProvisionError("ip xfrm policy list: Protocol not supported")
        return there

    monkeypatch.setattr(seen_module, "look_into_charon", lambda _: InCharon(encrypts_itself=True))
    monkeypatch.setattr(seen_module, "look_into_kernel", lambda _: InKernel())
    monkeypatch.setattr(seen_module, "lacking", lambda _: frozenset())
    monkeypatch.setattr(seen_module, "blocks", blocks)
    seen = look(wanting(FIBER), Path("vici"), tmp_path, tmp_path)
    assert seen.kernel.blocks == (there or frozenset())
