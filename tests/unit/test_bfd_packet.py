"""Control packets on the wire: RFC 5880 section 4.1, and the checks of section 6.8.6."""

import pytest

from speaker.bfd.packet import BadPacket, ControlPacket, State, decode, encode

GOOD = ControlPacket(
    state=State.UP,
    my_discriminator=0x01020304,
    your_discriminator=0x0A0B0C0D,
    desired_min_tx=50_000,
    required_min_rx=60_000,
    multiplier=3,
    diagnostic=7,
    poll=True,
)


def test_a_packet_is_laid_out_as_the_rfc_draws_it() -> None:
    assert encode(GOOD).hex(" ", 4) == "27e00318 01020304 0a0b0c0d 0000c350 0000ea60 00000000"


def test_what_was_encoded_is_decoded_again() -> None:
    assert decode(encode(GOOD)) == GOOD


def test_bytes_after_the_packet_are_ignored() -> None:
    assert decode(encode(GOOD) + b"padding") == GOOD


def changed(**at: int) -> bytes:
    data = bytearray(encode(GOOD))
    for place, value in at.items():
        data[int(place.removeprefix("byte"))] = value
    return bytes(data)


DOWN_FLAGS, INIT_FLAGS, UP_FLAGS = 0x40, 0x80, 0xC0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", BadPacket.TOO_SHORT),
        (encode(GOOD)[:-1], BadPacket.TOO_SHORT),
        (changed(byte0=0x07), BadPacket.VERSION),
        (changed(byte0=0x47), BadPacket.VERSION),
        (changed(byte3=23), BadPacket.LENGTH),
        (changed(byte3=25), BadPacket.LENGTH),
        (changed(byte3=0), BadPacket.LENGTH),
        (changed(byte1=UP_FLAGS | 0x04), BadPacket.LENGTH),
        (changed(byte2=0), BadPacket.MULTIPLIER_ZERO),
        (changed(byte1=UP_FLAGS | 0x01), BadPacket.MULTIPOINT),
        (changed(byte4=0, byte5=0, byte6=0, byte7=0), BadPacket.MY_DISCRIMINATOR_ZERO),
        (changed(byte8=0, byte9=0, byte10=0, byte11=0), BadPacket.YOUR_DISCRIMINATOR_ZERO),
        (changed(byte1=INIT_FLAGS, byte8=0, byte9=0, byte10=0, byte11=0), BadPacket.YOUR_DISCRIMINATOR_ZERO),
        (changed(byte1=UP_FLAGS | 0x04, byte3=28) + b"\x01\x04\x00\x00", BadPacket.AUTHENTICATED),
    ],
)
def test_a_wrong_packet_has_a_named_reason(data: bytes, reason: BadPacket) -> None:
    assert decode(data) is reason


@pytest.mark.parametrize("flags", [0x00, DOWN_FLAGS])
def test_no_discriminator_of_ours_is_fine_while_the_sender_is_down(flags: int) -> None:
    packet = decode(changed(byte1=flags, byte8=0, byte9=0, byte10=0, byte11=0))
    assert isinstance(packet, ControlPacket)
    assert packet.your_discriminator == 0
