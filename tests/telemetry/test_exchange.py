"""Questions to the vault, sealed answers, and the token for names."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from telemetry import resolve_token
from telemetry.envelope import Kind, Signer, open_envelope
from telemetry.exchange import (
    ExchangeError,
    JoinQuestion,
    MapQuestion,
    Question,
    new_nonce,
    read_answer,
    read_question,
    record_types_of,
    wrap_answer,
    wrap_question,
)
from telemetry.resolve_token import Claims, TokenError, mint, read
from telemetry.sealing import Seal, SealError, seal

GATEWAY, VAULT = (Signer(Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))) for number in (1, 2))
NOW_MS = 1_788_998_400_000
CLAIMS = Claims(1, "example-primary", "nurse", "health", "session-1", NOW_MS, NOW_MS + 60_000)
KEY = Ed25519PrivateKey.from_private_bytes(bytes([3] * 32))


def ask(reply: Seal) -> Question:
    return MapQuestion("example-primary", "gw-1", new_nonce(), reply.reply_key, 4)


def test_only_the_asker_reads_the_answer() -> None:
    reply, other = Seal(), Seal()
    question = ask(reply)
    got = read_question(open_envelope(wrap_question(question, GATEWAY)), GATEWAY.public_key)
    assert got == question
    answer = wrap_answer(got, b"a secret", VAULT)
    assert b"a secret" not in answer
    assert read_answer(answer, question, reply, VAULT.public_key) == b"a secret"
    with pytest.raises(ExchangeError, match="not meant for this question"):
        read_answer(answer, question, other, VAULT.public_key)
    with pytest.raises(ExchangeError, match="another question"):
        read_answer(answer, ask(reply), reply, VAULT.public_key)
    with pytest.raises(ExchangeError, match="signature"):
        read_answer(answer, question, reply, GATEWAY.public_key)
    with pytest.raises(ExchangeError, match="not an answer"):
        read_answer(wrap_question(question, VAULT), question, reply, VAULT.public_key)


def test_a_question_is_believed_of_its_signer_only() -> None:
    data = wrap_question(ask(Seal()), GATEWAY)
    with pytest.raises(ExchangeError, match="signature"):
        read_question(open_envelope(data), VAULT.public_key)
    with pytest.raises(ExchangeError, match="not a question"):
        read_question(open_envelope(GATEWAY.wrap(Kind.BATCH, b"")), GATEWAY.public_key)
    short = msgspec.structs.replace(ask(Seal()), nonce=b"x")
    with pytest.raises(ExchangeError, match="nonce"):
        read_question(open_envelope(wrap_question(short, GATEWAY)), GATEWAY.public_key)


def test_a_join_has_bounds() -> None:
    many = JoinQuestion(
        "s", new_nonce(), Seal().reply_key, "health", ["A"], "nutrition", {str(n): [] for n in range(201)}
    )
    with pytest.raises(ExchangeError, match="more exposures"):
        read_question(open_envelope(wrap_question(many, GATEWAY)), GATEWAY.public_key)


def test_a_reply_key_that_is_none() -> None:
    question = msgspec.structs.replace(ask(Seal()), reply_key=b"x")
    with pytest.raises(ExchangeError, match="X25519"):
        wrap_answer(question, b"", VAULT)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_answer_and_no_question(data: bytes) -> None:
    reply = Seal()
    question = ask(reply)
    with pytest.raises(ExchangeError):
        read_answer(data, question, reply, VAULT.public_key)
    with pytest.raises(ExchangeError):
        read_answer(VAULT.wrap(Kind.VAULT_ANSWER, data), question, reply, VAULT.public_key)
    with pytest.raises(ExchangeError):
        read_question(open_envelope(GATEWAY.wrap(Kind.VAULT_QUESTION, data)), GATEWAY.public_key)
    with pytest.raises(SealError):
        reply.open(data, b"about")


@given(st.binary(max_size=200), st.binary(max_size=20), st.integers(0, 300))
def test_a_changed_seal_does_not_open(message: bytes, about: bytes, at: int) -> None:
    reply = Seal()
    sealed = bytearray(seal(reply.reply_key, message, about))
    assert reply.open(bytes(sealed), about) == message
    with pytest.raises(SealError):
        reply.open(bytes(sealed), about + b"!")
    sealed[at % len(sealed)] ^= 1 if at % len(sealed) != 31 else 2  # the top bit of a key does not count
    with pytest.raises(SealError):
        reply.open(bytes(sealed), about)


def test_record_types_belong_to_purposes() -> None:
    assert record_types_of(["sport"]) == ("heart_rate_window",)
    assert set(record_types_of([])) >= {"morning_check", "meal_record"}


def test_a_token_is_good_for_its_time() -> None:
    token = mint(CLAIMS, KEY)
    assert read(token, KEY.public_key(), NOW_MS) == CLAIMS
    assert read(token, KEY.public_key(), NOW_MS + 59_999) == CLAIMS
    with pytest.raises(TokenError, match="expired"):
        read(token, KEY.public_key(), NOW_MS + 60_000)
    with pytest.raises(TokenError, match="future"):
        read(token, KEY.public_key(), NOW_MS - 60_001)
    with pytest.raises(TokenError, match="signature"):
        read(token, GATEWAY.public_key, NOW_MS)


def test_no_token_lives_longer_than_five_minutes() -> None:
    long = msgspec.structs.replace(CLAIMS, expires_ms=NOW_MS + resolve_token.LIFE_MS_MAX + 1)
    with pytest.raises(ValueError, match="300 s"):
        mint(long, KEY)
    payload = msgspec.json.encode(long)
    forged = f"{resolve_token._text(payload)}.{resolve_token._text(KEY.sign(resolve_token.DOMAIN + payload))}"
    with pytest.raises(TokenError, match="too long"):
        read(forged, KEY.public_key(), NOW_MS)


@given(st.text(max_size=100))
def test_arbitrary_text_is_no_token(text: str) -> None:
    with pytest.raises(TokenError):
        read(text, KEY.public_key(), NOW_MS)


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_a_changed_token_is_no_token(at: int, sign: str) -> None:
    token = mint(CLAIMS, KEY)
    place = at % len(token)
    changed = token[:place] + sign + token[place + 1 :]
    if changed == token:
        return
    try:
        claims = read(changed, KEY.public_key(), NOW_MS)
    except TokenError:
        return
    assert claims == CLAIMS, "the last sign of a Base64 text has bits that do not count"
