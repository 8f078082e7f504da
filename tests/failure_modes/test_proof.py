"""The proofs can fail: what they say of a bundle they would not say of any."""

import pickle
from dataclasses import replace
from typing import Any

import anyio
import pytest

from failure_modes import proof
from failure_modes.catalogue import Bundle, CatalogueError, find
from failure_modes.FM_004_cancel_during_ack.scenario import Warehouse, repair


async def call_back_or_not(warehouse: Warehouse) -> None:
    """Right when nobody else repairs: it looks, waits, and turns over what it has seen before the wait."""
    for parcel in warehouse.parcels[1:]:
        if parcel.order == warehouse.parcels[0].order and not parcel.is_called_back:
            await anyio.sleep(0.1)
            parcel.is_called_back = not parcel.is_called_back


async def call_back_and_sign(warehouse: Warehouse) -> None:
    """Right once: a second time it leaves something else behind."""
    warehouse.state[0] = "repaired" if 0 not in warehouse.state else "again"
    await repair(warehouse)


async def call_back_nothing(warehouse: Warehouse) -> None:
    await anyio.sleep(0.1)


async def undamaged() -> Warehouse:
    return Warehouse()


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"repair": call_back_nothing}, "the repair fails"),
        ({"repair": call_back_and_sign}, "a second repair fails"),
        ({"repair": call_back_or_not}, "two repairs at once"),
        ({"damaged": undamaged}, "leaves nothing under"),
    ],
    ids=["does nothing", "changes again", "two at once", "no damage"],
)
def test_a_recovery_that_is_none_is_objected_to(change: dict[str, Any], objection: str):
    bundle = find("FM_004")
    told = proof.recover(bundle, system=replace(proof.variants(bundle), **change))
    assert any(objection in each for each in told.objections), told.objections


def test_a_guarded_variant_that_is_none_is_objected_to():
    bundle = find("FM_004")
    system = proof.variants(bundle)
    assert not proof.prevent(bundle, system=replace(system, guarded=system.broken)).holds


def test_a_small_system_is_run_500_times_and_on_trio_until_it_is_through():
    assert proof.prevent(find("FM_004")).said == "500 runs"
    runs = int(proof.prevent(find("FM_004"), "trio").said.removesuffix(" runs"))
    assert 50 < runs < proof.RUNS_MORE


def test_too_few_runs_for_all_single_faults_on_trio_are_objected_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proof, "RUNS_MORE", 20)
    assert proof.prevent(find("FM_004"), "trio").objections == ("20 runs were too few for every single fault on trio",)


def test_a_guarded_variant_that_is_none_on_trio_is_objected_to():
    bundle = find("FM_004")
    system = proof.variants(bundle)
    assert not proof.prevent(bundle, "trio", system=replace(system, guarded=system.broken)).holds


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_repair_is_crashed_on_either_loop(driver: proof.Driver):
    async def call_back_in_a_finally(warehouse: Warehouse) -> None:
        """Right when it is cancelled, wrong when it crashes: the mark of who was at it stays."""
        if "repairing" in warehouse.state.values():
            return
        warehouse.state[0] = "repairing"
        try:
            await anyio.sleep(0.1)
        finally:
            del warehouse.state[0]
        await repair(warehouse)

    bundle = find("FM_004")
    told = proof.recover(bundle, driver, system=replace(proof.variants(bundle), repair=call_back_in_a_finally))
    assert any("crashes" in each for each in told.objections), told.objections


def test_a_trigger_that_cannot_be_read_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    spec = find("FM_004").spec()
    unreadable = replace(
        spec, sections={**spec.sections, "trigger": "```faults\ncancel nobody\n```\nfinds it within 9 runs"}
    )
    monkeypatch.setattr(Bundle, "spec", lambda _: unreadable)
    for prove in (proof.repro, proof.recover):
        with pytest.raises(CatalogueError, match="cannot read this fault") as told:
            prove(find("FM_004"))
        assert told.value.code == "FMC207"


def test_an_error_of_a_proof_comes_back_whole_from_another_process():
    error = CatalogueError("FMC203", "spec.md says too little")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code) == (str(error), "FMC203")
