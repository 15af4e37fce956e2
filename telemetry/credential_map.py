"""The blinded credential map: all that a gateway knows about people.

It maps ``HMAC-SHA-256(gateway key, credential)`` to a pupil's pseudonyms by purpose and class. A
gateway can look up a card that is held against it, and nothing else: the map holds no name, no
number of a card, and no key with which a pseudonym could be made.

The file is msgpack of `CredentialMap`.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

import msgspec

from telemetry.decoding import DECODING_ERRORS, describe

BLINDED_BYTES: Final = 16
FORMAT: Final = 1
_MS_PER_DAY: Final = 86_400_000


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What the map says of one credential: a pseudonym for each purpose there is consent for."""

    pseudonyms: dict[str, str]
    class_id: str


class CredentialMap(msgspec.Struct, frozen=True):
    """A gateway's map. `issued_ms` is when the vault made it, ms UTC."""

    format: int
    school: str
    gateway: str
    issued_ms: int
    entries: dict[bytes, Entry]

    def age_ms(self, now_ms: int) -> int:
        return now_ms - self.issued_ms

    def is_current(self, now_ms: int, age_days_max: float) -> bool:
        """False when too old to be believed, or made in what is still the future here."""
        return -_MS_PER_DAY <= self.age_ms(now_ms) <= age_days_max * _MS_PER_DAY


class CredentialMapError(ValueError):
    """The bytes are no credential map of a format we know."""


def normalise_credential(text: str) -> str:
    """One notation for a card's UID: hexadecimal digits in upper case, no separators.

    Raises ValueError when it is none; the message does not repeat the text, which names a person.
    """
    digits = text.translate({ord(sign): None for sign in " :-"}).upper()
    if not 4 <= len(digits) <= 32 or any(digit not in "0123456789ABCDEF" for digit in digits):
        raise ValueError("a credential is 4 to 32 hexadecimal digits")
    return digits


def normalise_identifier(scheme: str, text: str) -> str:
    """One notation for a number by which a station itself knows people (an employee number, say):
    ``scheme:text``, letters as the station writes them.

    scheme: whose numbers they are, lower-case letters ("hikvision", "wecom"). Its colon stands in no
    card's notation, so that a number is never taken for a card, nor for another system's number.
    Raises ValueError when the text is none; the message does not repeat it, for it names a person.
    """
    number = text.strip()
    if not re.fullmatch(r"[a-z]{1,32}", scheme) or not re.fullmatch(r"[!-~]{1,64}", number):
        raise ValueError("a station's number of a person is 1 to 64 printable ASCII signs without blanks")
    return f"{scheme}:{number}"


def blind(gateway_key: bytes, credential: str) -> bytes:
    """The name under which a map knows a (normalised) credential."""
    return hmac.digest(gateway_key, credential.encode(), "sha256")[:BLINDED_BYTES]


def encode_map(credential_map: CredentialMap) -> bytes:
    return msgspec.msgpack.encode(credential_map)


def decode_map(data: bytes) -> CredentialMap:
    """A map from its file's bytes. Raises CredentialMapError."""
    try:
        found = msgspec.msgpack.decode(data, type=CredentialMap)
    except DECODING_ERRORS as error:
        raise CredentialMapError(f"not a credential map: {describe(error)}") from None
    if found.format != FORMAT:
        raise CredentialMapError(f"format {found.format} is not known, {FORMAT} is")
    return found
