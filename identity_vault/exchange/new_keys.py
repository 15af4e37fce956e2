"""A gateway that changes its key tells the vault itself: the old key vouches for the new one."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from identity_vault.audit import record
from identity_vault.exchange import refusals
from identity_vault.exchange.registry import Gateway, RegistryError, rotate_key
from identity_vault.vault import Vault
from telemetry.envelope import key_id
from telemetry.exchange import KeyQuestion, key_claim


async def take_key(vault: Vault, question: KeyQuestion, gateway: Gateway) -> bytes:
    """The key that counts from now on, by its short name; the one so far gets nothing any more.

    Its map is blinded as before: it is the same device. Raises ExchangeRefusedError, VaultUnavailableError.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(question.public_key)
        key.verify(question.held, key_claim(question))
    except (ValueError, InvalidSignature):
        raise refusals.bad_question("the new key is none, or who asks does not have it") from None
    named = key_id(key)

    def take(connection: Connection) -> None:
        if not rotate_key(connection, gateway, key):
            raise refusals.unknown_key()
        record(vault, connection, actor=f"gateway:{gateway.id}", action="gateway_rotate", key=named.hex())

    if named.hex() != gateway.key_id:
        try:
            await vault.run(take)
        except RegistryError:
            raise refusals.not_yours("the new key is a gateway's already") from None
    return named
