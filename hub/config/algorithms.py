"""The words of cryptographic proposals, as strongSwan reads them, and what is to be said of each.

The words are those of strongSwan 5.9 and 6.0 (docs.strongswan.org, "Algorithm Proposals"). What is refused and what is
warned of follows RFC 8247 (IKEv2), RFC 8221 (ESP) and RFC 9395 (what was retired with IKEv1), and is stricter where it
costs nothing: a router that cannot do AES-256 and SHA-256 is hard to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Role(Enum):
    """What an algorithm does in a proposal."""

    ENCRYPTION = "encryption"
    AEAD = "encryption with integrity"
    INTEGRITY = "integrity"
    PRF = "pseudo-random function"
    GROUP = "key exchange"
    ADDITIONAL = "additional key exchange"
    NUMBERS = "sequence numbers"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An Algorithm is one word of a proposal. `refused` and `doubtful` say why, "" where there is nothing to say."""

    word: str
    role: Role
    refused: str = ""
    doubtful: str = ""


AES_256, SHA_256, GROUP = "aes256", "sha256", "ecp256"
"""What mends propose: every router has them."""

_SHORT_KEY = "its key is shorter than 256 bits"
_SHORT_BLOCK = "its blocks of 64 bits repeat within hours of traffic (RFC 8221, section 5)"
_DES = "it is broken (MUST NOT: RFC 8247, section 2.1, RFC 8221, section 5)"
_RETIRED = "it is retired (RFC 9395, section 3)"
_NOTHING_HIDDEN = "it encrypts nothing"
_MD5 = "MD5 is broken (MUST NOT: RFC 8247, sections 2.2 and 2.3, RFC 8221, section 6)"
_SHA_1 = "SHA-1 is on its way out (MUST-: RFC 8247, sections 2.2 and 2.3, RFC 8221, section 6)"
_BEFORE_STANDARD = "a draft of it, before RFC 7634"
_SHORT_TAG = "a tag of 8 bytes is meant for devices without power (RFC 8247, section 2.1)"
_TRUNCATED = "a draft's 96 bits of it, which few understand; sha256 has 128 (RFC 4868)"
_ODD_MAC = "less than SHA-256, meant for devices without power (RFC 8247, section 2.3)"
_SMALL = "its group is too small (MUST NOT or SHOULD NOT: RFC 8247, section 2.4)"
_SUBGROUP = "nobody can tell how its group was made (MUST NOT or SHOULD NOT: RFC 8247, section 2.4)"
_ENOUGH_TODAY = "as strong as a key of 112 bits; a curve is stronger and faster (RFC 8247, section 2.4)"
_NO_EXCHANGE = "it is no key exchange: keys would follow from one another"


def _ciphers() -> list[Algorithm]:
    made = [
        Algorithm("null", Role.ENCRYPTION, _NOTHING_HIDDEN),
        Algorithm("des", Role.ENCRYPTION, _DES),
        Algorithm("3des", Role.ENCRYPTION, f"{_SHORT_BLOCK}, and it is slow"),
        Algorithm("cast128", Role.ENCRYPTION, _RETIRED),
        Algorithm("chacha20poly1305", Role.AEAD),
        Algorithm("chacha20poly1305compat", Role.AEAD, "", _BEFORE_STANDARD),
    ]
    made += [Algorithm(word, Role.ENCRYPTION, _RETIRED) for word in ("blowfish", "blowfish128", "blowfish192")]
    made += [Algorithm("blowfish256", Role.ENCRYPTION, _RETIRED)]
    for family in ("aes", "camellia", "serpent", "twofish"):
        short = (family, f"{family}128", f"{family}192")
        made += [Algorithm(word, Role.ENCRYPTION, _SHORT_KEY) for word in short]
        made.append(Algorithm(f"{family}256", Role.ENCRYPTION))
    for family in ("aes", "camellia"):
        for bits in ("128", "192", "256"):
            short_key = "" if bits == "256" else _SHORT_KEY
            made.append(Algorithm(f"{family}{bits}ctr", Role.ENCRYPTION, short_key))
            made += [_aead(f"{family}{bits}{mode}", tag, short_key) for mode, tag in _tags(family)]
    made += [Algorithm(f"aes{bits}gmac", Role.AEAD, _NOTHING_HIDDEN) for bits in ("128", "192", "256")]
    return made


def _tags(family: str) -> list[tuple[str, str]]:
    """The length of an AEAD's tag, in bytes or in bits, or not at all, which is the longest."""
    modes = ("gcm", "ccm") if family == "aes" else ("ccm",)
    lengths = ("", "8", "12", "16", "64", "96", "128")
    return [(mode, length) for mode in modes for length in lengths if length or family == "aes"]


def _aead(family: str, tag: str, refused: str) -> Algorithm:
    return Algorithm(f"{family}{tag}", Role.AEAD, refused, _SHORT_TAG if tag in ("8", "64") else "")


def _hashes() -> list[Algorithm]:
    refused = {"md5": _MD5, "md5_128": _MD5, "sha": _SHA_1, "sha1": _SHA_1, "sha1_160": _SHA_1}
    made = [Algorithm(word, Role.INTEGRITY, why) for word, why in refused.items()]
    for bits in ("256", "384", "512"):
        made += [Algorithm(word, Role.INTEGRITY) for word in (f"sha{bits}", f"sha2_{bits}")]
        made.append(Algorithm(f"prfsha{bits}", Role.PRF))
    made += [Algorithm(word, Role.INTEGRITY, "", _TRUNCATED) for word in ("sha256_96", "sha2_256_96")]
    made += [Algorithm("prfmd5", Role.PRF, _MD5), Algorithm("prfsha1", Role.PRF, _SHA_1)]
    for mac in ("aesxcbc", "aescmac", "camelliaxcbc"):
        made.append(Algorithm(mac, Role.INTEGRITY, "", _ODD_MAC))
    made += [Algorithm(f"prf{mac}", Role.PRF, "", _ODD_MAC) for mac in ("aesxcbc", "aescmac", "camelliaxcbc")]
    return made


def _groups() -> list[Algorithm]:
    made = [Algorithm(word, Role.GROUP, _SMALL) for word in ("modp768", "modp1024", "modp1536", "ecp192")]
    made += [Algorithm(word, Role.GROUP, _SUBGROUP) for word in ("modp1024s160", "modp2048s224", "modp2048s256")]
    made += [Algorithm(word, Role.GROUP, "", _ENOUGH_TODAY) for word in ("modp2048", "ecp224", "ecp224bp")]
    strong: tuple[str, ...] = (
        "modp3072",
        "modp4096",
        "modp6144",
        "modp8192",
        "ecp256",
        "ecp384",
        "ecp521",
        "ecp256bp",
        "ecp384bp",
    )
    strong += ("ecp512bp", "curve25519", "x25519", "curve448", "x448")
    made += [Algorithm(word, Role.GROUP) for word in strong]
    made += [Algorithm(f"ke{n}_mlkem{size}", Role.ADDITIONAL) for n in range(1, 8) for size in ("512", "768", "1024")]
    made += [Algorithm(word, Role.GROUP, _NO_EXCHANGE) for word in ("none", "modpnone", "modpnull")]
    return made


_NUMBERS = [Algorithm(word, Role.NUMBERS) for word in ("esn", "noesn")]
ALGORITHMS = MappingProxyType(
    {algorithm.word: algorithm for algorithm in (*_ciphers(), *_hashes(), *_groups(), *_NUMBERS)}
)
"""Every word that may stand in a proposal."""

_CIPHERS_OF_ROUTEROS = frozenset(("3des", "des", "aes128", "aes192", "aes256"))
_HASHES_OF_ROUTEROS = frozenset(("md5", "sha1", "sha256", "sha384", "sha512"))
_GROUPS_OF_ROUTEROS = frozenset(("ecp256", "ecp384", "ecp521", "modp768", "modp1024", "modp1536", "modp2048"))
_GROUPS_OF_ROUTEROS |= {"modp3072", "modp4096", "modp6144", "modp8192"}
_AEADS_OF_ROUTEROS = frozenset(("aes256gcm", "aes256gcm16", "aes256gcm128", "chacha20poly1305"))
ROUTEROS_IKE = frozenset(
    (*_CIPHERS_OF_ROUTEROS, *_HASHES_OF_ROUTEROS, *_GROUPS_OF_ROUTEROS, "curve25519", "x25519", "noesn", "esn")
) | {f"prf{each}" for each in ("sha1", "sha256", "sha384", "sha512")}
"""What RouterOS 7 can do for the IKE SA (MikroTik's manual, "IPsec": profiles): no AES-GCM."""
ROUTEROS_ESP = frozenset(
    (*_CIPHERS_OF_ROUTEROS, *_AEADS_OF_ROUTEROS, "aes256ctr", "camellia256", "noesn", "none", "modpnone")
) | (_HASHES_OF_ROUTEROS - {"sha384"} | _GROUPS_OF_ROUTEROS)
"""What RouterOS 7 can do for ESP (the same page: proposals): no X25519 for PFS, no SHA-384."""
