"""Statement 12: a differencing attack over overlapping reports recovers no suppressed cell; here, of
joins in the vault.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from identity_vault.audit import find
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.vault import Vault
from telemetry.exchange import Exposure, JoinAnswer
from telemetry.purposes import Purpose
from tests.vault.exchange_parts import ask_join, vault_with_collector
from tests.vault.vault_parts import NOW_MS, add_somebody

EPOCH = "2026-27"
HIDDEN = Exposure(None, None, None)


class Attacker:
    """A collector that was taken over. It knows pseudonyms, and chooses its questions."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.desk = ExchangeDesk(vault)
        self.ids = [add_somebody(vault, number) for number in range(40)]

    async def ask(self, cases: list[int], *exposures: list[int]) -> JoinAnswer:
        def called(purpose: Purpose, numbers: list[int]) -> list[str]:
            return [self.vault.pseudonyms.make(purpose, EPOCH, self.ids[number]) for number in numbers]

        return await ask_join(
            self.desk,
            self.vault,
            called("health", cases),
            {str(at): called("nutrition", exposed) for at, exposed in enumerate(exposures)},
        )


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_with_collector(tmp_path, [NOW_MS])


async def test_12_with_and_without_one_case(vault: Vault) -> None:
    with vault:
        attacker = Attacker(vault)
        dish = list(range(5, 30))
        assert (await attacker.ask(list(range(10)), dish)).exposures["0"] == Exposure(5, 5, 25)
        for cases in (range(11), range(9), range(1, 11)):
            assert (await attacker.ask(list(cases), dish)).refused
        attacker.desk.close()


async def test_12_with_and_without_one_exposed(vault: Vault) -> None:
    with vault:
        attacker = Attacker(vault)
        one_less = [list(range(5, 30)), *([n for n in range(5, 30) if n != out] for out in range(5, 10))]
        answer = await attacker.ask(list(range(10)), *one_less)
        assert answer.exposures.pop("0") == Exposure(5, 5, 25)
        assert set(answer.exposures.values()) == {HIDDEN}
        attacker.desk.close()


async def test_12_two_questions_at_once_are_not_both_answered(vault: Vault) -> None:
    with vault:
        attacker = Attacker(vault)
        dish = list(range(5, 30))
        answers = await asyncio.gather(*(attacker.ask(list(range(count)), dish) for count in (10, 11, 12)))
        assert sorted(bool(answer.refused) for answer in answers) == [False, True, True]
        attacker.desk.close()


async def test_12_a_restart_forgets_no_question(vault: Vault) -> None:
    with vault:
        attacker = Attacker(vault)
        dish = list(range(5, 30))
        first = await attacker.ask(list(range(10)), dish)
        attacker.desk.close()
        attacker.desk = ExchangeDesk(vault)
        assert (await attacker.ask(list(range(11)), dish)).refused
        assert await attacker.ask(list(range(10)), dish) == first
        attacker.desk.close()
        with vault.read() as connection:
            details = [row.detail for row in find(connection) if row.action.startswith("join")]
        assert len(details) == 3
        assert not any(id_ in detail for id_, detail in itertools.product(attacker.ids, details))


async def test_12_the_difference_of_two_answers_is_no_cell_that_would_be_suppressed(vault: Vault) -> None:
    with vault:
        attacker = Attacker(vault)
        cases = list(range(16))
        whole, part = list(range(8, 36)), list(range(8, 30))
        answer = await attacker.ask(cases, whole, part)
        assert answer.exposures == {"0": Exposure(8, 8, 28), "1": HIDDEN}, "the six others: no case"
        attacker.desk.close()
