"""The keys with which a sign-in service signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from collector.accounts.oidc_wire import OidcRefusedError

KEYS_MAX: Final = 100
"""Of one set; the rest is not looked at."""
Key = RSAKey | ECKey | OKPKey
_KINDS: Final[Mapping[str, type[Key]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
"""With a key pair. A shared secret signs nothing here, and must not stand in for another key of its name."""


def usable_keys(found: Mapping[str, object]) -> KeySet:
    """The public keys of a JWK set (RFC 7517, section 5). One that cannot be read, or is of a kind not known
    here, is left out: the others sign all the same. Raises OidcRefusedError where none is left.
    """
    listed = found.get("keys")
    keys = [key for one in listed[:KEYS_MAX] if (key := _key(one))] if isinstance(listed, list) else []
    if not keys:
        raise OidcRefusedError("keys")
    return KeySet([*keys])


def _key(written: object) -> Key | None:
    if not isinstance(written, dict) or not isinstance(written.get("kid", ""), str):
        return None
    kind = next((one for name, one in _KINDS.items() if name == written.get("kty")), None)
    if kind is None:
        return None
    try:
        key = kind.import_key(written)
        key.ensure_kid()
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key
