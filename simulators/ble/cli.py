"""`campus simulate ble`: Bluetooth adapters and devices on a private D-Bus, for a machine without radio."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console

from foundation.commands import UsageError, errors_in_words
from simulators.ble import fleet
from simulators.ble.bus import NoDbusError
from simulators.ble.peripheral import Peripheral
from simulators.ble.world import BleWorld
from simulators.school import DEFAULT_SEED

console = Console(soft_wrap=True, highlight=False)
AWAY_S: Final = 2.0
"""How long a daemon that was killed is away."""
_ADDRESS: Final = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}")
_KEY: Final = re.compile(r"[0-9a-fA-F]{32}")

HELP: Final = """Run simulated Bluetooth adapters and devices until Ctrl-C.

A D-Bus of its own is started, with an org.bluez on it, as bluetoothd would be on the system's.

The first line printed is what another terminal needs to meet it:

    export DBUS_SYSTEM_BUS_ADDRESS=…

then `campus edge scan ble` finds the devices, and a gateway with a table ble reads them.

Models for --device: MODELS

With no device at all, one of each model is in the air.
"""


def ble(
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            help="MODEL, or MODEL@AA:BB:CC:DD:EE:FF; repeatable. bthome/v2@ADDRESS=KEY is encrypted with"
            " that key of 32 hexadecimal digits.",
        ),
    ] = None,
    bands: Annotated[
        int, typer.Option("--bands", min=0, max=500, help="Bands that broadcast heart rates, once a second.")
    ] = 0,
    straps: Annotated[
        int, typer.Option("--straps", min=0, max=100, help="Bands that must be connected to (0x180D).")
    ] = 0,
    beacons: Annotated[
        int, typer.Option("--beacons", min=0, max=1_000, help="Strangers' devices that no profile knows.")
    ] = 0,
    adapters: Annotated[int, typer.Option("--adapters", min=1, max=4, help="hci0, hci1, …")] = 1,
    links_max: Annotated[
        int, typer.Option("--links", min=1, max=32, help="Connections an adapter holds; real ones 5 to 7.")
    ] = 7,
    passive: Annotated[  # noqa: FBT002  # a flag of the command line
        bool,
        typer.Option(
            "--passive/--no-passive", help="Whether BlueZ offers passive scans; old kernels do not."
        ),
    ] = True,
    silent: Annotated[
        list[str] | None, typer.Option("--silent", help="Address of a device that is dead; repeatable.")
    ] = None,
    corrupt: Annotated[
        list[str] | None,
        typer.Option("--corrupt", help="Address of a device whose data has a wrong byte; repeatable."),
    ] = None,
    duplicate: Annotated[  # noqa: FBT002  # as above
        bool, typer.Option("--duplicate", help="Every report and notification comes twice.")
    ] = False,
    latency_s: Annotated[
        float, typer.Option("--latency", min=0, help="Seconds until a device answers over a connection.")
    ] = 0.0,
    gatt_error: Annotated[
        int | None, typer.Option("--gatt-error", min=1, max=255, help="ATT error that answers every read.")
    ] = None,
    drop_s: Annotated[
        float | None, typer.Option("--drop-after", min=0.1, help="Seconds after which every connection ends.")
    ] = None,
    crash_s: Annotated[
        float | None,
        typer.Option("--crash-every", min=3, help="Kill the daemon so often; it is back two seconds later."),
    ] = None,
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="Seconds to run; for ever when left out.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same devices.")] = DEFAULT_SEED,
) -> None:
    with errors_in_words():
        made = [_device(text, at, seed) for at, text in enumerate(devices or ())]
        made += [*fleet.bands(bands, seed), *fleet.straps(straps, seed), *fleet.beacons(beacons, seed)]
        made = made or [_device(name, 0, seed) for name in fleet.MODELS]
        for one in made:
            one.faults.duplicate, one.faults.latency_s = duplicate, latency_s
            one.faults.gatt_error, one.faults.drop_after_s = gatt_error, drop_s
        for one in _named(made, silent):
            one.faults.silent = True
        for one in _named(made, corrupt):
            one.faults.corrupt = True
    names = [f"hci{number}" for number in range(adapters)]
    world = BleWorld(made, adapters=names, links_max=links_max, passive=passive)
    try:
        asyncio.run(_serve(world, duration_s, crash_s))
    except NoDbusError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", soft_wrap=True)
        raise typer.Exit(1) from None


ble.__doc__ = HELP.replace(
    "MODELS", "\n\n" + "\n\n".join(f"- {name}: {what}" for name, (what, _) in fleet.MODELS.items())
)


def _device(text: str, number: int, seed: int) -> Peripheral:
    named, _, key = text.partition("=")
    name, _, address = named.partition("@")
    if name not in fleet.MODELS:
        raise UsageError(f"--device {text!r}: no such model; expected one of {', '.join(fleet.MODELS)}")
    address = address.upper() or fleet.address_of(name, number)
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--device {text!r}: {address!r} is no address such as C4:00:00:00:00:01")
    if not key:
        return fleet.MODELS[name][1](address, seed)
    if name != fleet.BTHOME or not _KEY.fullmatch(key):
        raise UsageError(f"--device {text!r}: a key is 32 hexadecimal digits, and for {fleet.BTHOME} only")
    return fleet.encrypted_bthome(address, seed, bytes.fromhex(key))


def _named(made: Sequence[Peripheral], addresses: Sequence[str] | None) -> list[Peripheral]:
    found = {one.address: one for one in made}
    for address in addresses or ():
        if address.upper() not in found:
            raise UsageError(f"no simulated device has the address {address}")
    return [found[address.upper()] for address in addresses or ()]


async def _serve(world: BleWorld, duration_s: float | None, crash_s: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with world:
        console.print(f"export DBUS_SYSTEM_BUS_ADDRESS={world.address}")
        for one in world.peripherals:
            console.print(f"{one.address}  {one.name or ''}")
        console.print(f"Simulating {len(world.peripherals)} devices")
        crashing = None if crash_s is None else asyncio.create_task(_crash(world, crash_s), name="crashes")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                await stop.wait()
        if crashing is not None:
            crashing.cancel()
            await asyncio.wait({crashing})


async def _crash(world: BleWorld, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        console.print("the daemon is killed")
        await world.restart(AWAY_S)
