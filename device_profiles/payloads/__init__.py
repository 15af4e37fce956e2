"""Codecs of payloads that rows of a profile cannot describe: TLV families, flags, encryption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import NO_CONTEXT, Context, Found, PayloadCodec, PayloadError
from foundation.lazytable import LazyTable

__all__ = ["NO_CONTEXT", "PAYLOADS", "Context", "Found", "PayloadCodec", "PayloadError"]

PAYLOADS: Final[Mapping[str, PayloadCodec]] = LazyTable(
    {
        "aranet-radiation": "aranet:decode_radiation",
        "aranet-radon": "aranet:decode_radon",
        "aranet2": "aranet:decode_aranet2",
        "aranet4": "aranet:decode_aranet4",
        "band-mi": "bands:decode_mi_band",
        "band-polar": "bands:decode_polar",
        "band-xoss": "bands:decode_xoss",
        "bthome-v1": "bthome:decode_v1",
        "bthome-v1-encrypted": "bthome:decode_v1_encrypted",
        "bthome-v2": "bthome:decode_v2",
        "elsys": "elsys:decode",
        "govee-packed": "govee:decode_packed",
        "govee-packed-co2": "govee:decode_packed_co2",
        "govee-packed-pm": "govee:decode_packed_pm",
        "govee-probes": "govee:decode_probes",
        "mibeacon": "mibeacon:decode",
        "milesight-am102": "milesight:MILESIGHT/milesight-am102",
        "milesight-am103": "milesight:MILESIGHT/milesight-am103",
        "milesight-am104": "milesight:MILESIGHT/milesight-am104",
        "milesight-am307": "milesight:MILESIGHT/milesight-am307",
        "milesight-am308": "milesight:MILESIGHT/milesight-am308",
        "milesight-am319": "milesight:MILESIGHT/milesight-am319",
        "milesight-ct101": "milesight:MILESIGHT/milesight-ct101",
        "milesight-em300-leak": "milesight:MILESIGHT/milesight-em300-leak",
        "milesight-em300-mcs": "milesight:MILESIGHT/milesight-em300-mcs",
        "milesight-em300-th": "milesight:MILESIGHT/milesight-em300-th",
        "milesight-em500-co2": "milesight:MILESIGHT/milesight-em500-co2",
        "milesight-gs301": "milesight:MILESIGHT/milesight-gs301",
        "milesight-vs121": "milesight:MILESIGHT/milesight-vs121",
        "milesight-vs132": "milesight:MILESIGHT/milesight-vs132",
        "milesight-vs133": "milesight:MILESIGHT/milesight-vs133",
        "milesight-vs340": "milesight:MILESIGHT/milesight-vs340",
        "milesight-vs350": "milesight:MILESIGHT/milesight-vs350",
        "milesight-ws101": "milesight:MILESIGHT/milesight-ws101",
        "milesight-ws202": "milesight:MILESIGHT/milesight-ws202",
        "milesight-ws203": "milesight:MILESIGHT/milesight-ws203",
        "milesight-ws301": "milesight:MILESIGHT/milesight-ws301",
        "milesight-ws302": "milesight:MILESIGHT/milesight-ws302",
        "milesight-ws303": "milesight:MILESIGHT/milesight-ws303",
        "pvvx-encrypted": "pvvx:decode",
        "qingping": "qingping:decode",
        "ruuvi-3": "ruuvi:decode_format3",
        "ruuvi-6": "ruuvi:decode_format6",
        "ruuvi-e1": "ruuvi:decode_format_e1",
        "sensecap": "sensecap:decode",
        "sig-heart-rate": "sig_sport:decode_heart_rate",
        "sig-running-speed": "sig_sport:decode_running_speed",
        "sig-temperature": "sig_health:decode_temperature",
        "sig-weight": "sig_health:decode_weight",
        "switchbot-made": "switchbot:decode_made",
        "switchbot-meter": "switchbot:decode_meter",
        "xiaomi-body-scale": "mibeacon_scales:decode_body_scale",
        "xiaomi-scale": "mibeacon_scales:decode_scale",
    },
    package="device_profiles.payloads",
)
"""Name, as a profile gives it → a codec."""
