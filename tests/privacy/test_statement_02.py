"""2. Pseudonym = HMAC-SHA-256(key[school, purpose, epoch], id); those of two purposes share no value."""

from __future__ import annotations

import hashlib  # noqa: TID251  # HKDF and HMAC written out once more, to compare with
import hmac
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from identity_vault.keys import VaultKeys
from identity_vault.pseudonyms import ALPHABET, Pseudonyms
from telemetry.purposes import PURPOSE_NAMES, Purpose

SEED = bytes(range(32))
ids = st.text("0123456789abcdef", min_size=16, max_size=16)


def written_out(school: str, purpose: str, epoch: str, id_: str) -> str:
    """RFC 5869 and RFC 2104 by hand."""
    info = b"campus-pulse/vault/1"
    for part in (school, "pseudonym", purpose, epoch):
        info += len(part.encode()).to_bytes(2, "big") + part.encode()
    extracted = hmac.new(bytes(32), SEED, hashlib.sha256).digest()
    key = hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()
    number = int.from_bytes(hmac.new(key, id_.encode(), hashlib.sha256).digest()[:16], "big")
    signs = []
    for _ in range(26):
        number, place = divmod(number, 32)
        signs.append(ALPHABET[place])
    return "".join(reversed(signs))


@given(ids, st.sampled_from(PURPOSE_NAMES), st.sampled_from(["2026-27", "2027-28"]))
def test_02_a_pseudonym_is_the_hmac_of_the_statement(id_: str, purpose: Purpose, epoch: str) -> None:
    made = Pseudonyms(VaultKeys(SEED, "example-primary")).make(purpose, epoch, id_)
    assert made == written_out("example-primary", purpose, epoch, id_)


@given(st.lists(ids, min_size=1, max_size=30, unique=True))
def test_02_the_pseudonyms_of_two_purposes_share_no_value(pupils: list[str]) -> None:
    make = Pseudonyms(VaultKeys(SEED, "example-primary")).make
    by_purpose = {purpose: {make(purpose, "2026-27", id_) for id_ in pupils} for purpose in PURPOSE_NAMES}
    assert all(len(one) == len(pupils) for one in by_purpose.values())
    for one, other in combinations(by_purpose.values(), 2):
        assert not one & other
        # Not even a part of one that would do to tell whose it is.
        assert not {text[:8] for text in one} & {text[:8] for text in other}


def test_02_another_school_has_other_pseudonyms() -> None:
    one, other = (Pseudonyms(VaultKeys(SEED, school)) for school in ("school-a", "school-b"))
    assert one.make("health", "2026-27", "a") != other.make("health", "2026-27", "a")
