"""AES in CCM mode, as Bluetooth sensors use it: a check of 4 bytes, a nonce made of the address.

The library is loaded with the first encrypted packet: a gateway without such devices saves its memory.
"""

from __future__ import annotations

from typing import Final

from device_profiles.payloads.contract import Context, PayloadError

TAG_BYTES: Final = 4
KEY_BYTES: Final = 16


def require_key(context: Context, *sizes: int) -> bytes:
    """The device's bind key. Raises PayloadError ("key_missing", "wrong_key_length")."""
    if not context.key:
        raise PayloadError("key_missing")
    if len(context.key) not in sizes:
        raise PayloadError("wrong_key_length")
    return context.key


def require_address(context: Context) -> bytes:
    """The address, most significant byte first. Raises PayloadError ("address_missing")."""
    try:
        address = bytes.fromhex(context.address.replace(":", ""))
    except ValueError:
        address = b""
    if len(address) != 6:
        raise PayloadError("address_missing")
    return address


def decrypt(key: bytes, nonce: bytes, sealed: bytes, associated: bytes | None) -> bytes:
    """The plain text of `sealed`, which ends with its check. Raises PayloadError: "bad_mic" where key,
    address or data are not those it was made with.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # see above
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM  # noqa: PLC0415

    try:
        return AESCCM(key, tag_length=TAG_BYTES).decrypt(nonce, sealed, associated)
    except InvalidTag:
        raise PayloadError("bad_mic") from None
    except ValueError:
        raise PayloadError("truncated") from None


def decrypt_unchecked(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """The plain text of CCM without its check: counter mode, blocks counted from 1 (RFC 3610, 2.3).

    nonce: 13 bytes. Some old devices leave the check out; the caller must see whether the outcome makes
    sense.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415  # see above
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import CTR  # noqa: PLC0415

    start = bytes([14 - len(nonce)]) + nonce + b"\x00\x01"
    return Cipher(AES(key), CTR(start)).decryptor().update(sealed)
