"""The first half of the batch line: verify, decode, authorise. Pure, so that a thread can do it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from collector.intake.contract import Incoming
from collector.intake.registry import Registry
from telemetry.batch import BatchError, Body, Header, decode_body, decode_payload, peek_identity
from telemetry.envelope import Envelope, EnvelopeError, Kind, open_envelope, verify
from telemetry.quantities import QUANTITIES
from telemetry.status import Status, StatusError, decode_status
from telemetry.topics import Address

FUTURE_MS_MAX: Final = 24 * 3_600 * 1_000
"""A reading further in the future is a broken clock; it would hide every later value."""


class Opened(NamedTuple):
    """A batch that may be committed."""

    address: Address
    header: Header
    body: Body


class Refused(NamedTuple):
    """Something that is not committed. With a `sequence` the sender is known and gets an answer."""

    address: Address
    reason: str
    detail: str
    data: bytes
    stream: str = ""
    generation: str = ""
    sequence: int = 0


@dataclass
class Opening:
    """What a chunk of envelopes turned out to be."""

    batches: list[Opened] = field(default_factory=list)
    statuses: list[tuple[Address, Status]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class _WrongSenderError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def open_all(messages: list[Incoming], registry: Registry, now_ms: int) -> Opening:
    """Opens every message; one bad message never touches another."""
    opening = Opening()
    for message in messages:
        try:
            envelope = open_envelope(message.data)
            payload = _authenticate(message.address, envelope, registry)
        except (EnvelopeError, _WrongSenderError) as error:
            reason = error.reason if isinstance(error, _WrongSenderError) else "bad_envelope"
            opening.refused.append(Refused(message.address, reason, str(error), b""))
            continue
        if envelope.kind is Kind.BATCH:
            _open_batch(opening, message, payload, now_ms)
        elif envelope.kind is Kind.STATUS:
            try:
                opening.statuses.append((message.address, _read_status(message.address, payload)))
            except StatusError as error:
                refused = Refused(message.address, "bad_status", str(error), message.data)
                opening.refused.append(refused)
        else:
            kind = envelope.kind.name.lower()
            opening.refused.append(Refused(message.address, "unexpected_kind", kind, b""))
    return opening


def _authenticate(address: Address, envelope: Envelope, registry: Registry) -> bytes:
    found = registry.find(envelope.key_id)
    if found is None:
        raise _WrongSenderError("unknown_key", "no gateway is registered with this key")
    gateway, public_key = found
    if gateway.state != "active":
        raise _WrongSenderError("revoked", "this gateway has been revoked")
    try:
        payload = verify(envelope, public_key)
    except EnvelopeError as error:
        raise _WrongSenderError("wrong_signature", str(error)) from None
    if (gateway.school, gateway.id) != (address.school, address.gateway):
        raise _WrongSenderError("wrong_sender", "topic and key belong to different gateways")
    return payload


def _read_status(address: Address, payload: bytes) -> Status:
    status = decode_status(payload)
    if (status.school, status.gateway) != (address.school, address.gateway):
        raise StatusError("another gateway's status")
    return status


def _open_batch(opening: Opening, message: Incoming, payload: bytes, now_ms: int) -> None:
    address = message.address
    identity = peek_identity(payload)
    if identity and (identity.school, identity.gateway) != (address.school, address.gateway):
        opening.refused.append(Refused(address, "wrong_sender", "header and key disagree", b""))
        return
    try:
        header, packed = decode_payload(payload)
        body = decode_body(header, packed)
        reason, detail = _objection(address.leaf, header, body, now_ms)
    except BatchError as error:
        reason, detail = "undecodable", str(error)
    if not reason:
        opening.batches.append(Opened(address, header, body))
    elif identity:
        opening.refused.append(
            Refused(
                address,
                reason,
                detail,
                message.data,
                identity.stream,
                identity.generation,
                identity.sequence,
            )
        )
    else:
        opening.refused.append(Refused(address, reason, detail, message.data))


def _objection(leaf: str, header: Header, body: Body, now_ms: int) -> tuple[str, str]:
    """Why a decoded batch cannot be stored, as (reason, detail); empty when it can."""
    if (leaf == "urgent") != (header.stream == "urgent"):
        return "wrong_topic", f"a batch of the {header.stream} stream on {leaf}"
    if header.stream == "bulk" and body.records:
        return "record_on_bulk", "records travel on the urgent stream"
    for key in body.series:
        if key.quantity not in QUANTITIES:
            return "quantity_not_registered", "a quantity this collector does not know"
        if max(map(len, key)) > 256:
            return "name_too_long", "a series name of more than 256 characters"
    latest_ms = max(max(body.time_ms, default=0), *(one.time_ms for one in body.records), 0)
    if latest_ms > now_ms + FUTURE_MS_MAX:
        return "time_in_future", "a time more than a day ahead of the collector's clock"
    return "", ""
