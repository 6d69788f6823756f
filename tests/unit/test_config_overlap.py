"""The sweep finds a collision exactly where comparing every pair does."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from hub.config.overlap import Claim, overlaps
from hub.config.problems import Place

networks = st.builds(
    lambda address, length: IPv4Network((address & 0xFF, length), strict=False),
    st.integers(0, 255),
    st.integers(24, 32),
) | st.builds(
    lambda address, length: IPv6Network((address & 0xFF, length), strict=False),
    st.integers(0, 255),
    st.integers(120, 128),
)
claims = st.lists(st.tuples(networks, st.sampled_from("abc")), max_size=12).map(
    lambda pairs: [Claim(network, owner, "prefix", Place(owner, n + 1, 1)) for n, (network, owner) in enumerate(pairs)]
)


def collide(one: Claim, other: Claim) -> bool:
    same = one.prefix == other.prefix
    if one.prefix.version != other.prefix.version:
        return False
    return one.prefix.overlaps(other.prefix) and (same or one.owner != other.owner)


@given(claims)
def test_there_is_a_problem_if_and_only_if_two_claims_collide(made: list[Claim]) -> None:
    expected = any(collide(one, other) for n, one in enumerate(made) for other in made[n + 1 :])
    assert bool(list(overlaps(made))) == expected


@given(claims, st.randoms())
def test_the_order_of_claims_changes_nothing(made: list[Claim], random: object) -> None:
    turned = list(made)
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert list(overlaps(turned)) == list(overlaps(made))
