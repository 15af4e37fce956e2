"""The payload codecs of Bluetooth devices, by the names that profiles use."""

from __future__ import annotations

from typing import Final

from device_profiles.payloads import (
    aranet,
    bands,
    bthome,
    govee,
    mibeacon,
    mibeacon_scales,
    pvvx,
    qingping,
    ruuvi,
    sig_health,
    sig_sport,
)
from device_profiles.payloads.contract import PayloadCodec

BLUETOOTH: Final[dict[str, PayloadCodec]] = {
    "aranet2": aranet.decode_aranet2,
    "aranet4": aranet.decode_aranet4,
    "aranet-radiation": aranet.decode_radiation,
    "aranet-radon": aranet.decode_radon,
    "band-mi": bands.decode_mi_band,
    "band-polar": bands.decode_polar,
    "band-xoss": bands.decode_xoss,
    "bthome-v1": bthome.decode_v1,
    "bthome-v1-encrypted": bthome.decode_v1_encrypted,
    "bthome-v2": bthome.decode_v2,
    "govee-packed": govee.decode_packed,
    "govee-packed-pm": govee.decode_packed_pm,
    "govee-probes": govee.decode_probes,
    "mibeacon": mibeacon.decode,
    "pvvx-encrypted": pvvx.decode,
    "qingping": qingping.decode,
    "ruuvi-3": ruuvi.decode_format3,
    "ruuvi-6": ruuvi.decode_format6,
    "ruuvi-e1": ruuvi.decode_format_e1,
    "sig-heart-rate": sig_sport.decode_heart_rate,
    "sig-running-speed": sig_sport.decode_running_speed,
    "sig-temperature": sig_health.decode_temperature,
    "sig-weight": sig_health.decode_weight,
    "xiaomi-body-scale": mibeacon_scales.decode_body_scale,
    "xiaomi-scale": mibeacon_scales.decode_scale,
}
