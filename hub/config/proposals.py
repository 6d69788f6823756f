"""What is wrong with a cryptographic proposal: pure, of its text alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hub.config.algorithms import AES_256, ALGORITHMS, GROUP, ROUTEROS_ESP, ROUTEROS_IKE, SHA_256, Algorithm, Role
from hub.config.names import write_instead


@dataclass(frozen=True, slots=True)
class Complaint:
    """A Complaint is what is wrong with a proposal; `refused`: it cannot be used so, else it is a warning."""

    text: str
    mend: str | None
    refused: bool = True


def complaints(proposal: str, *, of_ike: bool) -> Iterator[Complaint]:
    """Everything that is wrong with a proposal, of IKE or of ESP; one that cannot be read whole is judged no further.

    In a proposal either end may choose any of its words, so one that is weak makes it weak.
    """
    words = proposal.split("-")
    unknown = [word for word in words if word not in ALGORITHMS]
    for word in unknown:
        yield Complaint(f'{proposal}: "{word}" is no algorithm', _known_instead(word))
    found = [ALGORITHMS[word] for word in words if word in ALGORITHMS]
    for algorithm in found:
        yield from _weak(proposal, algorithm)
    if not unknown:
        yield from _missing(proposal, found, of_ike=of_ike)


def routeros_cannot(proposal: str, *, of_ike: bool) -> tuple[str, ...]:
    """The words by which RouterOS cannot take this proposal: of one of its roles, it has no algorithm."""
    can = ROUTEROS_IKE if of_ike else ROUTEROS_ESP
    found = [ALGORITHMS[word] for word in proposal.split("-") if word in ALGORITHMS]
    roles = {_side(algorithm) for algorithm in found}
    lacking = [role for role in roles if not any(_side(each) is role and each.word in can for each in found)]
    return tuple(algorithm.word for algorithm in found if _side(algorithm) in lacking)


def _side(algorithm: Algorithm) -> Role:
    """Its role, where a cipher with integrity is one choice among ciphers."""
    return Role.ENCRYPTION if algorithm.role is Role.AEAD else algorithm.role


def _known_instead(word: str) -> str:
    if word == "default":
        return f"write it out, for example {AES_256}-{SHA_256}-{GROUP}"
    return write_instead(word, ALGORITHMS) or f"write algorithms of strongSwan, like {AES_256}, {SHA_256} and {GROUP}"


_STRONG = {
    Role.ENCRYPTION: AES_256,
    Role.AEAD: f"{AES_256}gcm16",
    Role.INTEGRITY: SHA_256,
    Role.PRF: f"prf{SHA_256}",
    Role.GROUP: GROUP,
}


def _weak(proposal: str, algorithm: Algorithm) -> Iterator[Complaint]:
    if algorithm.refused:
        text = f"{proposal}: {algorithm.word} is refused: {algorithm.refused}"
        yield Complaint(text, f"write {_STRONG[algorithm.role]} in its place")
    elif algorithm.doubtful:
        text = f"{proposal}: {algorithm.word}: {algorithm.doubtful}"
        yield Complaint(text, f"write {_STRONG[algorithm.role]} in its place, if both ends can", refused=False)


def _missing(proposal: str, found: list[Algorithm], *, of_ike: bool) -> Iterator[Complaint]:
    """What a proposal lacks, or has and cannot have."""
    roles = {algorithm.role for algorithm in found}
    if not roles & {Role.ENCRYPTION, Role.AEAD}:
        yield Complaint(f"{proposal}: no encryption", f"write {AES_256}-{proposal}")
    if {Role.ENCRYPTION, Role.AEAD} <= roles:
        text = f"{proposal}: ciphers with integrity of their own and others cannot be in one proposal"
        yield Complaint(text, "make two proposals of it")
    if Role.ENCRYPTION in roles and Role.INTEGRITY not in roles:
        yield Complaint(f"{proposal}: no integrity: anybody could change what is sent", f"add {SHA_256}")
    if of_ike and not roles & {Role.PRF, Role.INTEGRITY}:
        yield Complaint(f"{proposal}: no pseudo-random function, which IKE makes keys with", f"add prf{SHA_256}")
    if Role.GROUP not in roles:
        yield _no_group(proposal, of_ike=of_ike)
    if not of_ike and Role.PRF in roles:
        prf = next(algorithm.word for algorithm in found if algorithm.role is Role.PRF)
        yield Complaint(f"{proposal}: {prf} is of IKE, not of ESP", "remove it")


def _no_group(proposal: str, *, of_ike: bool) -> Complaint:
    if of_ike:
        return Complaint(f"{proposal}: no key exchange", f"write {proposal}-{GROUP}")
    text = f"{proposal}: no perfect forward secrecy: who learns the keys of IKE reads all that was ever sent"
    return Complaint(text, f"write {proposal}-{GROUP}")
