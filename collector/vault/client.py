"""Asks the vault one question at a time and believes only what the vault has signed and sealed.

::

    VaultError              no answer that can be believed; ask again later
    └── VaultRefusedError   the vault says no: a person is needed
"""

from __future__ import annotations

import asyncio
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from foundation.httppost import HttpPost, PostError, PostRefusedError
from telemetry.envelope import ENVELOPE_BYTES_MIN, PAYLOAD_BYTES_MAX, Signer
from telemetry.exchange import (
    CONTENT_TYPE,
    PATH,
    Directory,
    DirectoryQuestion,
    ExchangeError,
    JoinAnswer,
    JoinQuestion,
    OrderReport,
    Question,
    decode_directory,
    decode_join,
    new_nonce,
    read_answer,
    wrap_question,
)
from telemetry.purposes import Purpose
from telemetry.sealing import Seal

ANSWER_BYTES_MAX: Final = ENVELOPE_BYTES_MIN + PAYLOAD_BYTES_MAX


class VaultError(Exception):
    """No answer; the message says why, for a log."""


class VaultRefusedError(VaultError):
    """The vault's answer is no."""


class VaultClient:
    """Questions of one school's collector, under the collector's key."""

    def __init__(self, *, school: str, signer: Signer, vault_key: Ed25519PublicKey, http: HttpPost) -> None:
        self._school = school
        self._signer = signer
        self._vault_key = vault_key
        self._http = http

    async def directory(self, have: int, done: list[OrderReport]) -> Directory:
        """Class lists, lessons and orders. Raises VaultError."""
        reply = Seal()
        question = DirectoryQuestion(self._school, new_nonce(), reply.reply_key, have, done)
        message = await self._ask(question, reply)
        try:
            return decode_directory(message)
        except ExchangeError as error:
            raise VaultError(str(error)) from None

    async def join(
        self,
        case_purpose: Purpose,
        cases: list[str],
        exposure_purpose: Purpose,
        exposures: dict[str, list[str]],
    ) -> JoinAnswer:
        """How many of the cases, and of everybody, were exposed to what. Raises VaultError."""
        reply = Seal()
        question = JoinQuestion(
            self._school, new_nonce(), reply.reply_key, case_purpose, cases, exposure_purpose, exposures
        )
        message = await self._ask(question, reply)
        try:
            return decode_join(message)
        except ExchangeError as error:
            raise VaultError(str(error)) from None

    async def _ask(self, question: Question, reply: Seal) -> bytes:
        body = wrap_question(question, self._signer)
        try:
            answer = await self._http.ask(PATH, body, CONTENT_TYPE)
            # Megabytes of class lists are opened beside the event loop.
            return await asyncio.to_thread(read_answer, answer, question, reply, self._vault_key)
        except PostRefusedError as error:
            raise VaultRefusedError(str(error)) from error
        except (PostError, ExchangeError) as error:
            raise VaultError(str(error)) from error
