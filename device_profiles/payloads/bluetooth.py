"""The payload codecs of Bluetooth devices, by the names that profiles use."""

from __future__ import annotations

from typing import Final

from device_profiles.payloads import bthome, mibeacon, mibeacon_scales
from device_profiles.payloads.contract import PayloadCodec

BLUETOOTH: Final[dict[str, PayloadCodec]] = {
    "bthome-v1": bthome.decode_v1,
    "bthome-v1-encrypted": bthome.decode_v1_encrypted,
    "bthome-v2": bthome.decode_v2,
    "mibeacon": mibeacon.decode,
    "xiaomi-scale": mibeacon_scales.decode_scale,
    "xiaomi-body-scale": mibeacon_scales.decode_body_scale,
}
