"""The vault hears of a new signing key from whoever has the old one, so that nobody has to type it there."""

from __future__ import annotations

from contextlib import closing
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.config import GatewayConfig, PersonalSection
from foundation.httppost import (
    HttpPost,
    PostGarbageError,
    PostRefusedError,
    PostUnavailableError,
    parse_target,
)
from foundation.keyfiles import parse_public
from telemetry.envelope import Signer, key_id
from telemetry.exchange import (
    CONTENT_TYPE,
    PATH,
    ExchangeError,
    KeyQuestion,
    key_claim,
    new_nonce,
    read_answer,
    wrap_question,
)
from telemetry.sealing import Seal

ANSWER_BYTES_MAX: Final = 4_096

_FAILURES: Final = (PostUnavailableError, PostRefusedError, PostGarbageError, ExchangeError)


async def tell_vault(
    config: GatewayConfig, personal: PersonalSection, old: Ed25519PrivateKey, new: Ed25519PrivateKey
) -> str:
    """Why the vault does not know the new key; empty when it does."""
    post = HttpPost(parse_target(personal.vault), answer_bytes_max=ANSWER_BYTES_MAX, ca_file=personal.ca_file)
    with closing(post):
        try:
            await _tell(post, config, personal, Signer(old), new)
        except _FAILURES as error:
            try:
                # Perhaps only the answer did not come: then it knows already who asks.
                await _tell(post, config, personal, Signer(new), new)
            except _FAILURES:
                return str(error)
    return ""


async def _tell(
    post: HttpPost, config: GatewayConfig, personal: PersonalSection, signer: Signer, new: Ed25519PrivateKey
) -> None:
    reply, public = Seal(), new.public_key()
    bare = KeyQuestion(
        config.gateway.school,
        config.gateway.id,
        new_nonce(),
        reply.reply_key,
        public.public_bytes_raw(),
    )
    question = msgspec.structs.replace(bare, held=new.sign(key_claim(bare)))
    data = await post.ask(PATH, wrap_question(question, signer), CONTENT_TYPE)
    if read_answer(data, question, reply, parse_public(personal.vault_public_key)) != key_id(public):
        raise ExchangeError("the vault has another key than it was told")
