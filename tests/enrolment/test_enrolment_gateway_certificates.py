"""What a gateway reads of certificates that strangers show it."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from collector.enrolment.certificates import make_authority
from edge_agent.enrolment.certificates import describe
from telemetry.enrolment import EnrolmentError


@pytest.mark.parametrize("version", [1, 5, 255])
def test_a_certificate_of_no_known_version_is_none(version: int) -> None:
    made = make_authority(ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC))
    der = bytearray(made.public_bytes(Encoding.DER))
    assert describe(bytes(der)).name.startswith("Campus Pulse authority")
    at = der.index(b"\xa0\x03\x02\x01\x02") + 4
    der[at] = version
    with pytest.raises(EnrolmentError, match="is no certificate"):
        describe(bytes(der))
