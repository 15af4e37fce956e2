"""One question to the vault: what has changed in this gateway's credential map?

What can go wrong is named by a word, for the counter, and by a sentence, for the log.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from foundation.httppost import HttpPost, PostGarbageError, PostRefusedError, PostUnavailableError
from telemetry.credential_map import CredentialMap, CredentialMapError, MapUpdate, decode_map
from telemetry.envelope import Signer
from telemetry.exchange import (
    CONTENT_TYPE,
    PATH,
    ExchangeError,
    MapQuestion,
    new_nonce,
    read_answer,
    wrap_question,
)
from telemetry.sealing import Seal

ONLY_CHANGES: Final = "changes were sent where the whole map was asked"
_POSSIBLY_NEVER: Final = frozenset({"refused", "not_signed"})


class VaultError(Exception):
    """No update; `reason` is a word for the counter: away, refused, garbage, not_signed, map_unusable."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason

    @property
    def needs_a_person(self) -> bool:
        """Whether asking again soon is of no use."""
        return self.reason in _POSSIBLY_NEVER


class VaultLink:
    """The way to one vault, as one gateway."""

    def __init__(
        self, post: HttpPost, *, school: str, gateway: str, signer: Signer, vault_key: Ed25519PublicKey
    ) -> None:
        self._post = post
        self._school = school
        self._gateway = gateway
        self._signer = signer
        self._vault_key = vault_key

    async def ask(self, have: int) -> CredentialMap | MapUpdate:
        """What has changed since version `have`, which the vault takes for confirmed, or the whole map: where
        the vault cannot tell the changes, and for 0.

        Raises VaultError.
        """
        reply = Seal()
        question = MapQuestion(self._school, self._gateway, new_nonce(), reply.reply_key, have)
        try:
            asked = self._post.ask(PATH, wrap_question(question, self._signer), CONTENT_TYPE)
            found = decode_map(read_answer(await asked, question, reply, self._vault_key))
        except PostUnavailableError as error:
            raise VaultError("away", str(error)) from error
        except PostRefusedError as error:
            raise VaultError("refused", str(error)) from error
        except PostGarbageError as error:
            raise VaultError("garbage", str(error)) from error
        except ExchangeError as error:
            text = f"{error}; is personal.vault_public_key that of this vault?"
            raise VaultError("not_signed", text) from error
        except CredentialMapError as error:
            raise VaultError("map_unusable", str(error)) from error
        if (found.school, found.gateway) != (self._school, self._gateway):
            raise VaultError("map_unusable", f"the map of {found.school}/{found.gateway} was sent")
        return found
