"""Whom a dead letter is about, as far as anybody can read it."""

from __future__ import annotations

from telemetry.batch import BatchError, decode_body, decode_payload
from telemetry.envelope import EnvelopeError, open_envelope


def pseudonyms_in(envelope: bytes) -> frozenset[str] | None:
    """The pseudonyms of the records in a refused batch; None where it cannot be read."""
    try:
        header, packed = decode_payload(open_envelope(envelope).payload)
        records = decode_body(header, packed).records
    except (EnvelopeError, BatchError):
        return None
    return frozenset(record.pseudonym for record in records if record.pseudonym is not None)
