"""What simulated devices advertise means to the bundled profiles what it was made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.ble import Advertisement, bind_ble
from device_profiles.registry import Catalogue
from simulators.ble import Advert, adverts, fleet
from telemetry.readings import Chunk, SeriesTable

CATALOGUE = Catalogue()
OWN = "C4:7C:8D:6A:3E:9B"
KEY = bytes(range(16))
temperatures = st.integers(-4_000, 8_000).map(lambda raw: raw / 100)
humidities = st.integers(0, 10_000).map(lambda raw: raw / 100)
packets = st.integers(1, 2**16)


def decoded(profile: str, advert: Advert, key: bytes | None = None) -> dict[str, float]:
    """By quantity; nothing may be refused."""
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_ble(
        CATALOGUE.get(profile), device="one", place="main/301", address=OWN, table=table, key=key
    )
    heard = Advertisement(OWN, -60, None, advert.manufacturer, advert.service_data)
    assert decoder.decode(heard, 0, chunk) == ()
    return {one.series.quantity: one.value for one in chunk.readings(table)}


def _near(found: dict[str, float], temperature_c: float, humidity_percent: float, step: float) -> None:
    assert found["temperature"] == pytest.approx(temperature_c, abs=step)
    assert found["relative_humidity"] == pytest.approx(humidity_percent, abs=step)


@given(temperatures, humidities, packets)
def test_ruuvi(temperature_c: float, humidity_percent: float, packet: int) -> None:
    found = decoded(
        "ruuvi/ruuvitag", adverts.ruuvi(OWN, temperature_c, humidity_percent, 1_013.2, sequence=packet)
    )
    _near(found, temperature_c, humidity_percent, 0.0026)
    assert found["pressure"] == pytest.approx(1_013.2)
    assert found["battery_voltage"] == pytest.approx(2.9)


@given(temperatures, humidities, packets)
def test_pvvx(temperature_c: float, humidity_percent: float, packet: int) -> None:
    advert = adverts.pvvx(OWN, temperature_c, humidity_percent, packet=packet)
    _near(decoded("xiaomi/lywsd03mmc-pvvx", advert), temperature_c, humidity_percent, 0.001)


@given(temperatures, humidities, packets)
def test_bthome(temperature_c: float, humidity_percent: float, packet: int) -> None:
    clear = adverts.bthome(temperature_c, humidity_percent, packet=packet)
    sealed = adverts.bthome_encrypted(OWN, KEY, temperature_c, humidity_percent, packet=packet)
    _near(decoded("bthome/v2", clear), temperature_c, humidity_percent, 0.001)
    _near(decoded("bthome/v2", sealed, KEY), temperature_c, humidity_percent, 0.001)


@given(st.integers(30, 240))
def test_heart_rates(rate: int) -> None:
    assert decoded("xiaomi/mi-band", adverts.heart_rate_band(OWN, rate)) == {"heart_rate": rate}
    table, chunk = SeriesTable(), Chunk()
    strap = bind_ble(
        CATALOGUE.get("sig/heart-rate"), device="one", place="main/301", address=OWN, table=table
    )
    assert strap.decode_value(adverts.HEART_RATE, adverts.heart_rate_value(rate), 0, chunk) == ()
    assert chunk.readings(table)[0].value == rate


@given(temperatures, humidities)
def test_environment(temperature_c: float, humidity_percent: float) -> None:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_ble(
        CATALOGUE.get("sig/environmental-sensing"), device="one", place="main/301", address=OWN, table=table
    )
    assert decoder.decode_value(adverts.TEMPERATURE, adverts.hundredths(temperature_c), 0, chunk) == ()
    assert decoder.decode_value(adverts.HUMIDITY, adverts.hundredths(humidity_percent), 0, chunk) == ()
    found = {one.series.quantity: one.value for one in chunk.readings(table)}
    _near(found, temperature_c, humidity_percent, 0.001)


def test_every_model_of_the_command_is_one_of_the_catalogue() -> None:
    assert set(fleet.MODELS) <= set(CATALOGUE.ids())
