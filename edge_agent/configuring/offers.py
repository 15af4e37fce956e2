"""Envelopes with offers: which of them is worth a look. Whoever can publish can send anything here."""

from __future__ import annotations

from collections import Counter
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent.configuring.kept import Kept
from foundation.logs import FirstOnly
from telemetry.configuration import BYTES_MAX, ConfigurationError, Offer, OtherFormatError, decode_offer
from telemetry.envelope import Envelope, EnvelopeError, verify

OFFER_BYTES_MAX: Final = BYTES_MAX + 128 * 1024
"""The sections' texts, and their names."""

log = structlog.get_logger()


class Offers:
    """Keeps the newest offer that is the collector's and for this gateway, until it is taken. The others
    are counted in `outcomes`, by reason.
    """

    def __init__(
        self, school: str, gateway: str, collector_key: Ed25519PublicKey, outcomes: Counter[str]
    ) -> None:
        self._address = (school, gateway)
        self._collector_key = collector_key
        self._outcomes = outcomes
        self._reported = FirstOnly()
        self._waiting: Offer | None = None

    def put(self, envelope: Envelope) -> bool:
        """Whether there is something to take now. Never raises."""
        offer = self._open(envelope)
        if offer is None:
            return False
        if self._waiting is not None:
            self._outcomes["overtaken"] += 1
            if self._waiting.version > offer.version:
                return True
        self._waiting = offer
        return True

    def take(self) -> Offer | None:
        offer, self._waiting = self._waiting, None
        return offer

    def _open(self, envelope: Envelope) -> Offer | None:
        try:
            return _read(envelope, self._collector_key, self._address)
        except _PassedOverError as error:
            self._outcomes[error.reason] += 1
            say = log.warning if self._reported.first(error.reason) else log.debug
            say("configuration passed over", reason=error.reason, error=str(error))
            return None


class _PassedOverError(Exception):
    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def _read(envelope: Envelope, collector_key: Ed25519PublicKey, address: tuple[str, str]) -> Offer:
    if len(envelope.payload) > OFFER_BYTES_MAX:
        raise _PassedOverError("too_large", f"an offer of {len(envelope.payload)} bytes")
    try:
        offer = decode_offer(verify(envelope, collector_key))
    except EnvelopeError as error:
        raise _PassedOverError("not_signed", f"{error}; is collector.public_key right?") from None
    except OtherFormatError as error:
        raise _PassedOverError("other_format", str(error)) from None
    except ConfigurationError as error:
        raise _PassedOverError("unreadable", str(error)) from None
    if (offer.school, offer.gateway) != address:
        raise _PassedOverError("other_gateway", "an offer for another gateway")
    return offer


def reason_to_pass_over(kept: Kept, refused: tuple[int, str] | None, offer: Offer) -> str:
    """Why an offer that is genuine is not looked at any further; empty if it is. refused: version and
    digest of what was refused last.
    """
    if offer.version == kept.used.version and offer.digest == kept.used.digest:
        return "repeated"
    if refused == (offer.version, offer.digest):
        return "repeated"
    if offer.version <= kept.newest:
        return "older"
    if offer.base not in {"", kept.used.digest}:
        return "other_base"
    return ""
