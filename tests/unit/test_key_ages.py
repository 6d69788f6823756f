"""Which keys are too old, what is said of them, and that nothing of a key is in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.key_ages import CERTIFICATE, SECRET, WIREGUARD, KeptKey, is_old, old_keys

YEAR = timedelta(days=365)
DAY = 86_400.0
NOW = 2_000 * DAY


def wireguard(tunnel: str, days: float) -> KeptKey:
    return KeptKey(tunnel, WIREGUARD, made=NOW - days * DAY)


def test_young_keys_are_no_problem() -> None:
    young = (
        wireguard("bandung/fiber", 365),
        KeptKey("solo/fiber", SECRET, made=NOW - 10 * DAY, file="solo.psk"),
        KeptKey("solo/lte", CERTIFICATE, made=NOW - 900 * DAY, ends=NOW + 31 * DAY, file="hub.pem"),
    )
    assert old_keys(young, YEAR, NOW) == ()


def test_keys_of_unknown_age_are_no_problem() -> None:
    assert old_keys([KeptKey("bandung/fiber", WIREGUARD, fault="not made yet")], YEAR, NOW) == ()


def test_an_old_key_is_told_with_its_age_and_what_helps() -> None:
    (found,) = old_keys([wireguard("bandung/fiber", 400), wireguard("bandung/lte", 3)], YEAR, NOW)
    assert found.text == "the WireGuard keys of bandung/fiber are 400 days old, more than the 365 days of key-age"
    assert found.mend == "pointsman keys rotate bandung/fiber"


def test_many_old_keys_are_told_once_the_oldest_first() -> None:
    (found,) = old_keys([wireguard(f"b{n}/fiber", 370 + n) for n in range(9)], YEAR, NOW)
    assert found.text.startswith("the WireGuard keys of b8/fiber, b7/fiber, b6/fiber and 6 more are up to 378 days old")
    assert found.mend == "pointsman keys rotate b8/fiber, and so on: pointsman keys list"


def test_a_secret_that_is_too_old_is_exchanged() -> None:
    (found,) = old_keys([KeptKey("solo/fiber", SECRET, made=NOW - 366 * DAY, file="solo.psk")], YEAR, NOW)
    assert found.text.startswith("the IPsec secrets of solo/fiber are 366 days old")
    assert found.mend == "pointsman keys rotate solo/fiber"


@pytest.mark.parametrize(
    ("days", "said"), [(29.0, "ends in 29 days"), (0.5, "ends within a day"), (-0.5, "has ended"), (-40.0, "has ended")]
)
def test_a_certificate_that_ends_soon_is_told(days: float, said: str) -> None:
    (found,) = old_keys([KeptKey("solo/lte", CERTIFICATE, ends=NOW + days * DAY, file="hub.pem")], YEAR, NOW)
    assert found.text == f"the certificate hub.pem of solo/lte {said}"


kept = st.builds(
    KeptKey,
    tunnel=st.sampled_from(["a/x", "b/x", "c/x", "d/x"]),
    kind=st.sampled_from([WIREGUARD, SECRET, CERTIFICATE]),
    made=st.none() | st.floats(0, NOW),
    ends=st.none() | st.floats(0, 2 * NOW),
    file=st.just("f"),
)


@given(st.lists(kept, max_size=12), st.integers(1, 2000))
def test_there_is_a_problem_of_a_kind_exactly_if_one_of_it_is_old(keys: list[KeptKey], days: int) -> None:
    limit = timedelta(days=days)
    found = {each.key: each for each in old_keys(keys, limit, NOW)}
    for kind in (WIREGUARD, SECRET):
        old = [each for each in keys if each.kind == kind and is_old(each, limit, NOW)]
        assert (f"key-age:{kind}" in found) is bool(old)
    assert all(each.text and each.mend for each in found.values())
