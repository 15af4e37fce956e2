"""The first half of the batch line: verify, decode, authorise. Pure, so that a thread can do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from collector.intake.contract import Incoming
from collector.intake.decoding import decode_columns
from collector.intake.objections import at_arrival, objection, status_objection, time_objection
from collector.intake.registry import Registry
from collector.records import StreamKey
from telemetry.batch import BatchError, Body, Header, Identity, decode_payload, peek_identity
from telemetry.decoding import INT_MAX
from telemetry.envelope import Envelope, EnvelopeError, Kind, open_envelope, verify
from telemetry.status import Status, StatusError, decode_status
from telemetry.topics import Address

OPENED_READINGS_MAX: Final = 320_000
"""As many as a group of full batches has. Beyond it the rest waits: small batches may hold a lot."""
OPENED_SERIES_MAX: Final = 50_000
"""As many as 64 batches of large gateways have. A series costs a store as much as 20 readings."""


class Opened(NamedTuple):
    """A batch that may be committed, and the envelope it came in."""

    address: Address
    key: StreamKey
    header: Header
    body: Body
    data: bytes


class Refused(NamedTuple):
    """Something that is not committed.

    `known`: the signature fits the gateway that the topic names. `identity`: which batch it is, to
    be answered as rejected; only where what speaks against it was signed too, or whoever can publish
    could make a gateway delete a good batch. `letter`: the envelope, where it is worth keeping.
    """

    address: Address
    reason: str
    detail: str
    size_bytes: int
    known: bool = False
    identity: Identity | None = None
    letter: bytes = b""


@dataclass
class Opening:
    """What the first `taken` messages of a chunk turned out to be."""

    batches: list[Opened] = field(default_factory=list)
    statuses: list[tuple[Address, Status]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    readings: int = 0
    series: int = 0
    taken: int = 0


class _RefusedError(Exception):
    def __init__(self, reason: str, detail: str, *, known: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.known = known


def open_some(
    messages: Sequence[Incoming], registry: Registry, now_ms: int, *, judges: bool = True
) -> Opening:
    """Opens messages until there are none left or their readings or series are many; at least one. A bad
    message never touches another. judges: as for `time_objection`.
    """
    opening = Opening()
    for message in messages:
        try:
            _open(opening, message, registry, now_ms, judges=judges)
        except _RefusedError as error:
            opening.refused.append(
                Refused(message.address, error.reason, str(error), len(message.data), error.known)
            )
        except Exception as error:  # noqa: BLE001  # a fault of ours must not cost the other messages
            detail = f"the collector failed with {type(error).__name__}"
            opening.refused.append(Refused(message.address, "fault", detail, len(message.data)))
        opening.taken += 1
        if opening.readings >= OPENED_READINGS_MAX or opening.series >= OPENED_SERIES_MAX:
            break
    return opening


def _open(opening: Opening, message: Incoming, registry: Registry, now_ms: int, *, judges: bool) -> None:
    address = message.address
    if not address.school:
        raise _RefusedError("bad_topic", "a topic that is no gateway's")
    try:
        envelope = open_envelope(message.data)
    except EnvelopeError as error:
        raise _RefusedError("bad_envelope", str(error)) from None
    payload = _authenticate(address, envelope, registry)
    if envelope.kind is Kind.STATUS and address.leaf == "status":
        opening.statuses.append((address, _read_status(address, payload)))
    elif envelope.kind is Kind.BATCH and address.leaf != "status":
        _open_batch(opening, message, payload, now_ms, judges=judges)
    else:
        what = f"{envelope.kind.name.lower()} on {address.leaf}"
        raise _RefusedError("wrong_topic", what, known=True)


def _authenticate(address: Address, envelope: Envelope, registry: Registry) -> bytes:
    found = registry.find(envelope.key_id)
    if found is None:
        raise _RefusedError("unknown_key", "no gateway is registered with this key")
    gateway, public_key = found
    try:
        payload = verify(envelope, public_key)
    except EnvelopeError as error:
        raise _RefusedError("wrong_signature", str(error)) from None
    if (gateway.school, gateway.id) != (address.school, address.gateway):
        raise _RefusedError("wrong_sender", "topic and key belong to different gateways")
    if gateway.state != "active":
        raise _RefusedError("revoked", "this gateway has been revoked", known=True)
    registry.heard(envelope.key_id)
    return payload


def _read_status(address: Address, payload: bytes) -> Status:
    try:
        status = decode_status(payload)
    except StatusError as error:
        raise _RefusedError("bad_status", str(error), known=True) from None
    if (status.school, status.gateway) != (address.school, address.gateway):
        raise _RefusedError("wrong_sender", "another gateway's status", known=True)
    trouble = status_objection(status)
    if trouble:
        raise _RefusedError("bad_status", trouble, known=True)
    return status


def _open_batch(opening: Opening, message: Incoming, payload: bytes, now_ms: int, *, judges: bool) -> None:
    address = message.address
    identity = peek_identity(payload)
    if identity and (identity.school, identity.gateway) != (address.school, address.gateway):
        raise _RefusedError("wrong_sender", "header and key disagree", known=True)
    if identity and (address.leaf == "urgent") != (identity.stream == "urgent"):
        what = f"a batch of the {identity.stream} stream on {address.leaf}"
        raise _RefusedError("wrong_topic", what, known=True)
    try:
        header, packed = decode_payload(payload)
        body = decode_columns(header, packed)
        against = objection(header, body)
        untimely = against or time_objection(body, now_ms, judges=judges)
        if untimely and not against and header.stream == "urgent":
            header, body = at_arrival(header, body, now_ms)
        else:
            against = untimely
    except BatchError as error:
        against = ("undecodable", str(error))
    if against is None:
        key = StreamKey(header.school, header.gateway, header.stream, header.generation)
        opening.batches.append(Opened(address, key, header, body, message.data))
        opening.readings += header.readings
        opening.series += len(body.series)
    else:
        opening.refused.append(refuse_for_good(address, identity, *against, message.data))


def refuse_for_good(
    address: Address, identity: Identity | None, reason: str, detail: str, data: bytes
) -> Refused:
    """For a batch of a known sender: kept, and answered if it says which one it is."""
    if identity and identity.sequence > INT_MAX:
        identity = None
    return Refused(address, reason, detail, len(data), True, identity, data)


def identity_of(batch: Opened) -> Identity:
    header = batch.header
    return Identity(header.format, *batch.key, header.sequence)


def refusal(batch: Opened, reason: str, detail: str) -> Refused:
    """An opened batch that is refused for good."""
    return refuse_for_good(batch.address, identity_of(batch), reason, detail, batch.data)
