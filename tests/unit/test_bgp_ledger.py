"""What the ledger says, to whom and when."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.ids import Prefix
from speaker.bgp.ledger import ANSWERED_WITHIN, MOST_PREFIXES_UNANSWERED, SEEN_WITHIN, URGENT_WINDOW, WINDOW, Ledger
from speaker.bgp.text import Announce, Command, EndOfRib, Flush, Withdraw

A, B = IPv4Address("10.255.0.1"), IPv4Address("10.255.0.3")
P, Q = IPv4Network("10.0.0.0/16"), IPv4Network("10.9.0.0/16")
START = Instant(100.0)


def at(seconds: float) -> Instant:
    """A moment after the start."""
    return Instant(START + seconds)


def said(ledger: Ledger, now: Instant = START) -> list[Command]:
    """What the ledger has to say now."""
    return [command for _, command in ledger.commands(now)]


def obey(ledger: Ledger, now: Instant = START) -> list[Command]:
    """Let everything be said, answered and seen, until there is no more."""
    heard: list[Command] = []
    while due := ledger.commands(now):
        for number, command in due:
            heard.append(command)
            ledger.answered(number, done=True, now=now)
            match command:
                case Announce(neighbor, announcement, prefixes):
                    ledger.sent(neighbor, dict.fromkeys(prefixes, announcement), ())
                case Withdraw(neighbor, prefixes):
                    ledger.sent(neighbor, {}, prefixes)
                case EndOfRib(neighbor, version):
                    ledger.end_of_rib_sent(neighbor, version)
    return heard


def wanting(*prefixes: Prefix, med: int = 1000) -> dict[Prefix, Announcement]:
    """The prefixes with one MED."""
    return dict.fromkeys(prefixes, Announcement(med))


def test_nothing_is_said_to_a_neighbor_that_is_not_up() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P))
    assert said(ledger) == []


def test_on_up_the_whole_set_and_then_end_of_rib() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P, Q))
    ledger.up(A)
    assert obey(ledger) == [Announce(A, Announcement(1000), (P, Q)), EndOfRib(A)]
    assert said(ledger) == []


SIX = IPv6Network("2001:db8::/48")


def test_each_ip_version_has_its_lines_and_its_end_of_rib() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P, SIX, Q))
    ledger.up(A, {4, 6})
    med = Announcement(1000)
    told = [Announce(A, med, (P,)), Announce(A, med, (SIX,)), Announce(A, med, (Q,)), EndOfRib(A, 4), EndOfRib(A, 6)]
    assert obey(ledger) == told
    ledger.want(A, {})
    assert obey(ledger) == [Withdraw(A, (P, Q)), Withdraw(A, (SIX,))]


def test_the_set_is_complete_with_the_last_end_of_rib() -> None:
    ledger = Ledger()
    ledger.want(A, {})
    ledger.up(A, {4, 6})
    said(ledger)
    assert not ledger.end_of_rib_sent(A, 6)
    assert ledger.end_of_rib_sent(A, 4)
    assert not ledger.end_of_rib_sent(A, 4)


def test_what_the_session_does_not_carry_is_not_said_and_not_waited_for() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P, SIX))
    ledger.up(A, {4})
    assert obey(ledger) == [Announce(A, Announcement(1000), (P,)), EndOfRib(A, 4)]
    assert ledger.settled(A)
    ledger.down(A)
    ledger.up(A, {4, 6})
    assert Announce(A, Announcement(1000), (SIX,)) in obey(ledger)


def test_on_a_session_that_carries_nothing_nothing_is_said() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P, SIX))
    ledger.up(A, ())
    assert said(ledger) == []
    assert not ledger.end_of_rib_sent(A, 4)


def test_an_empty_set_is_just_end_of_rib() -> None:
    ledger = Ledger()
    ledger.want(A, {})
    ledger.up(A)
    assert obey(ledger) == [EndOfRib(A)]


def test_a_neighbor_of_whom_nothing_is_wanted_is_left_alone() -> None:
    ledger = Ledger()
    ledger.adopt(A, wanting(P), end_of_rib=True)
    ledger.want(A, None)
    assert said(ledger) == []


def test_what_is_no_longer_wanted_is_withdrawn() -> None:
    ledger = Ledger()
    ledger.adopt(A, wanting(P, Q), end_of_rib=True)
    ledger.want(A, wanting(Q))
    assert said(ledger) == [Withdraw(A, (P,))]


def test_prefixes_come_in_the_order_given() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(Q, P))
    ledger.up(A)
    assert said(ledger) == [Announce(A, Announcement(1000), (Q, P))]


def test_one_change_of_a_prefix_at_a_time() -> None:
    ledger = Ledger()
    ledger.adopt(A, wanting(P), end_of_rib=True)
    ledger.want(A, wanting(P, med=20))
    assert len(said(ledger)) == 1
    ledger.want(A, wanting(P, med=10))
    assert said(ledger) == []
    ledger.sent(A, wanting(P, med=20), ())
    assert said(ledger) == [Announce(A, Announcement(10), (P,))]


def test_a_change_that_became_obsolete_is_never_said() -> None:
    ledger = Ledger()
    ledger.adopt(A, wanting(P, med=10), end_of_rib=True)
    ledger.want(A, wanting(P, med=20))
    ledger.want(A, wanting(P, med=10))
    assert said(ledger) == []


def sizes(commands: list[Command]) -> list[int]:
    """How many prefixes each announcement has."""
    return [len(command.prefixes) for command in commands if isinstance(command, Announce)]


def test_the_first_of_many_prefixes_goes_alone_and_the_rest_once_it_is_read() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(*list(P.subnets(new_prefix=24))[:60]))
    ledger.up(A)
    ((number, first),) = ledger.commands(START)
    assert sizes([first]) == [1]
    assert said(ledger) == []
    ledger.answered(number, done=True, now=START)
    assert sizes(said(ledger)) == [50, 9]


def test_if_the_first_is_never_read_all_is_said_again() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(*list(P.subnets(new_prefix=24))[:60]))
    ledger.up(A)
    assert sizes(said(ledger)) == [1]
    assert sizes(said(ledger, at(ANSWERED_WITHIN))) == [1]


def sixty(ledger: Ledger, *, urgent: bool = False) -> int:
    """Have sixty prefixes for A, whose first was said; its number."""
    ledger.want(A, wanting(*list(P.subnets(new_prefix=24))[:60]), urgent=urgent)
    ledger.up(A)
    ((number, _),) = ledger.commands(START)
    return number


def test_a_first_that_is_refused_holds_nothing_up() -> None:
    ledger = Ledger()
    ledger.answered(sixty(ledger), done=False, now=START)
    assert sizes(said(ledger)) == [50, 9]


def test_a_first_that_is_seen_before_its_answer_holds_nothing_up() -> None:
    ledger = Ledger()
    sixty(ledger)
    ledger.sent(A, wanting(next(P.subnets(new_prefix=24))), ())
    assert sizes(said(ledger)) == [50, 9]


def test_a_session_that_ends_before_the_first_is_read_begins_with_it_again() -> None:
    ledger = Ledger()
    sixty(ledger)
    ledger.down(A)
    ledger.up(A)
    assert sizes(said(ledger)) == [1]


def test_a_neighbor_whose_first_is_not_read_keeps_no_other_waiting() -> None:
    ledger = Ledger()
    sixty(ledger, urgent=True)
    ledger.adopt(B, wanting(P, med=1100), end_of_rib=True)
    ledger.want(B, wanting(P, med=990))
    assert said(ledger) == [Announce(B, Announcement(990), (P,))]


def bulky(ledger: Ledger) -> None:
    """Have ordinary work for A that fills the window; the first line of it is read."""
    ledger.want(A, {prefix: Announcement(med) for med, prefix in enumerate(P.subnets(new_prefix=26))})
    ledger.up(A)
    ((number, _),) = ledger.commands(START)
    ledger.answered(number, done=True, now=START)


def test_few_prefixes_are_unanswered_at_a_time() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(*P.subnets(new_prefix=26)))
    ledger.up(A)
    ((number, _),) = ledger.commands(START)
    ledger.answered(number, done=True, now=START)
    prefixes = [prefix for command in said(ledger) if isinstance(command, Announce) for prefix in command.prefixes]
    assert len(prefixes) <= MOST_PREFIXES_UNANSWERED
    assert said(ledger) == []


def test_few_commands_are_unanswered_at_a_time() -> None:
    ledger = Ledger()
    bulky(ledger)
    assert len(said(ledger)) == WINDOW


def test_an_urgent_neighbor_overtakes_a_full_window() -> None:
    ledger = Ledger()
    bulky(ledger)
    said(ledger)
    ledger.adopt(B, wanting(P, med=1100), end_of_rib=True)
    ledger.want(B, wanting(P, med=990), urgent=True)
    assert said(ledger)[0] == Announce(B, Announcement(990), (P,))


def test_even_urgent_commands_are_not_without_number() -> None:
    ledger = Ledger()
    for number in range(100):
        neighbor = IPv4Address("10.255.1.0") + number
        ledger.adopt(neighbor, {}, end_of_rib=True)
        ledger.want(neighbor, wanting(P), urgent=True)
    assert len(said(ledger)) == URGENT_WINDOW


def test_what_is_not_seen_in_time_is_said_again_and_flushed() -> None:
    ledger = Ledger()
    ledger.adopt(A, wanting(P, med=10), end_of_rib=True)
    ledger.want(A, wanting(P, med=20))
    ((number, _),) = ledger.commands(START)
    ledger.answered(number, done=True, now=at(1))
    assert said(ledger, at(1 + SEEN_WITHIN - 0.1)) == []
    assert said(ledger, at(1 + SEEN_WITHIN)) == [Announce(A, Announcement(20), (P,))]
    assert said(ledger, at(1 + SEEN_WITHIN)) == [Flush(A)]
    assert ledger.counters["said_again"] == 1


def test_a_withdrawal_that_is_not_seen_is_said_again() -> None:
    ledger = Ledger()
    ledger.adopt(A, wanting(P), end_of_rib=True)
    ledger.want(A, {})
    ((number, _),) = ledger.commands(START)
    ledger.answered(number, done=True, now=START)
    assert said(ledger, at(SEEN_WITHIN)) == [Withdraw(A, (P,))]


def test_a_command_that_is_never_answered_is_said_again() -> None:
    ledger = Ledger()
    ledger.adopt(A, {}, end_of_rib=True)
    ledger.want(A, wanting(P))
    said(ledger)
    assert said(ledger, at(ANSWERED_WITHIN)) == [Announce(A, Announcement(1000), (P,))]
    assert ledger.counters["unanswered"] == 1


def test_a_wrong_value_seen_is_repaired_and_counted() -> None:
    ledger = Ledger()
    ledger.adopt(A, {}, end_of_rib=True)
    ledger.want(A, wanting(P, med=10))
    obey(ledger)
    ledger.sent(A, wanting(P, med=20), ())
    assert said(ledger) == [Announce(A, Announcement(10), (P,))]
    assert said(ledger) == [Flush(A)]
    assert ledger.counters["wrong_value"] == 1


def test_a_replayed_prefix_that_is_not_wanted_is_withdrawn() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P))
    ledger.up(A)
    ledger.sent(A, wanting(Q), ())
    assert obey(ledger) == [Announce(A, Announcement(1000), (P,)), Withdraw(A, (Q,)), EndOfRib(A)]


def test_a_new_session_starts_from_nothing() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P))
    ledger.up(A)
    obey(ledger)
    ledger.down(A)
    assert said(ledger) == []
    ledger.up(A)
    assert obey(ledger) == [Announce(A, Announcement(1000), (P,)), EndOfRib(A)]


def test_answers_to_a_lost_relay_are_not_waited_for() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P))
    ledger.up(A)
    said(ledger)
    ledger.lost()
    assert said(ledger) == []
    ledger.adopt(A, wanting(P), end_of_rib=False)
    assert said(ledger) == [EndOfRib(A)]


def test_an_end_of_rib_that_we_did_not_ask_for_completes_nothing() -> None:
    ledger = Ledger()
    ledger.want(A, wanting(P))
    ledger.up(A)
    assert not ledger.end_of_rib_sent(A)


def test_a_refused_command_is_counted_and_tried_again() -> None:
    ledger = Ledger()
    ledger.adopt(A, {}, end_of_rib=True)
    ledger.want(A, wanting(P))
    ((number, _),) = ledger.commands(START)
    ledger.answered(number, done=False, now=START)
    assert ledger.counters["refused"] == 1
    assert said(ledger, at(SEEN_WITHIN)) == [Announce(A, Announcement(1000), (P,))]


def test_a_large_set_does_not_make_the_others_wait_for_its_end() -> None:
    ledger = Ledger()
    many = [IPv4Network(f"10.{n // 250}.{n % 250}.0/24") for n in range(2000)]
    ledger.want(A, wanting(*many))
    ledger.want(B, wanting(P))
    ledger.up(A)
    ledger.up(B)
    to_others = 0
    for _ in range(3):
        for number, command in ledger.commands(START):
            to_others += command.neighbor == B
            ledger.answered(number, done=True, now=START)
    assert to_others == 1
