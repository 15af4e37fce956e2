"""What the API and the pages do with the configurations of gateways, for whoever may see their school."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from collector.accounts.principal import Principal
from collector.fleet.standing import Standing, standing
from collector.records import Gateway, configurations
from collector.records.configurations import GatewayKey, OtherDigestError, UnknownGatewayError, Version
from collector.text import Text
from collector.web.parts import WebParts
from collector.web.problems import ProblemError
from telemetry.configuration import Sections

CHANGED_MEANWHILE = Text("别人已经保存了新的版本", "somebody has made another version meanwhile")


@dataclass(frozen=True)
class Configured:
    """A gateway, how it stands, and the sections it should run; none without a version."""

    gateway: Gateway
    standing: Standing
    sections: Sections

    @property
    def digest(self) -> str:
        return self.standing.wanted.digest if self.standing.wanted else ""


async def configured(parts: WebParts, principal: Principal, key: GatewayKey) -> Configured:
    """Raises ProblemError 404."""

    def read(connection: Connection) -> tuple[Version | None, configurations.State | None, Sections]:
        wanted = configurations.find(connection, key)
        sections = configurations.sections(connection, key, wanted.version) if wanted else None
        return wanted, configurations.find_state(connection, key), sections or {}

    gateway = await find_gateway(parts, principal, key)
    wanted, state, sections = await parts.records.look(read)
    seen = parts.overview.of(*key)
    found = standing(key, seen, {key: wanted} if wanted else {}, {key: state} if state else {})
    return Configured(gateway, found, sections)


async def find_gateway(parts: WebParts, principal: Principal, key: GatewayKey) -> Gateway:
    """Raises ProblemError 404, also for a gateway of a school that whoever asks does not see."""
    if principal.sees_school(key[0]):
        for gateway in await parts.records.gateways():
            if (gateway.school, gateway.id) == key:
                return gateway
    raise unknown_gateway(key)


async def find_version(
    parts: WebParts, principal: Principal, key: GatewayKey, version: int
) -> tuple[Version, Sections]:
    """Raises ProblemError 404."""
    await find_gateway(parts, principal, key)

    def read(connection: Connection) -> tuple[Version | None, Sections | None]:
        return (
            configurations.find(connection, key, version),
            configurations.sections(connection, key, version),
        )

    found, sections = await parts.records.look(read)
    if found is None or sections is None:
        raise ProblemError(
            404, Text(f"{'/'.join(key)} 没有第 {version} 版", f"{'/'.join(key)} has no version {version}")
        )
    return found, sections


async def make_version(
    parts: WebParts,
    principal: Principal,
    key: GatewayKey,
    sections: Sections,
    *,
    note: str,
    expected: str | None = None,
) -> tuple[Version, bool]:
    """The newest version afterwards, and whether it is new. expected: the digest that was seen.

    Raises ProblemError 404 and 412.
    """
    await find_gateway(parts, principal, key)
    try:
        made = await parts.records.run(
            lambda connection: configurations.make(
                connection,
                key,
                sections,
                note=note,
                by=principal.name,
                at_ms=parts.now_ms(),
                expected=expected,
            )
        )
    except UnknownGatewayError:
        raise unknown_gateway(key) from None
    except OtherDigestError:
        raise ProblemError(
            412,
            CHANGED_MEANWHILE,
            remedy=Text(
                "请重新读取配置，在新版本上修改。", "Read the configuration again and change that one."
            ),
        ) from None
    parts.hub.publish("gateways")
    return made


def unknown_gateway(key: GatewayKey) -> ProblemError:
    return ProblemError(
        404, Text(f"这里没有登记网关 {'/'.join(key)}", f"no gateway {'/'.join(key)} is registered here")
    )


def restored_note(version: int) -> str:
    """For the history, where nobody wrote one."""
    return f"恢复版本 {version} · restored from version {version}"
