"""What the strategies that steer promise: reads-from feedback, holding, the portfolio, and what they learn."""

import json
from random import Random

from faultloop.deciders.footprints import Footprints
from faultloop.deciders.holding import Held, Holding, Sites
from faultloop.deciders.learned import Learned
from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import Record
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.readsfrom import NOBODY, ReadsFrom
from faultloop.deciders.rff import Rff, Wanted
from faultloop.deciders.walk import RandomWalk, Walk
from tests.deciders.bed import Do, Program, Ran, runs

A, B = 1, 2


def reorder(setters: int) -> Program:
    """Every setter writes a, then b; the checker reads a, then b."""
    setter = [Do(1), Do(2, touches=((A, True),)), Do(3, touches=((B, True),))]
    return [setter] * setters + [[Do(4), Do(5, touches=((A, False),)), Do(6, touches=((B, False),))]]


def is_reordered(ran: Ran) -> bool:
    """Whether the checker saw a written and b not."""
    sites = [site for _, site, _ in ran.touches]
    return 2 in sites[: sites.index(5)] and 3 not in sites[: sites.index(6)]


def runs_needed(program: Program, strategy: Holding | Portfolio | RandomWalk | Rff) -> int:
    return next((n for n, ran in enumerate(runs(program, strategy, 400), start=1) if is_reordered(ran)), 400)


def median(counts: list[int]) -> int:
    return sorted(counts)[len(counts) // 2]


def test_a_walk_needs_more_runs_the_more_tasks_there_are():
    assert median([runs_needed(reorder(30), RandomWalk(Random(seed))) for seed in range(20)]) > 25


def test_reads_from_feedback_does_not():
    for setters in (3, 30):
        assert median([runs_needed(reorder(setters), Rff(Random(seed))) for seed in range(20)]) < 12


def test_holding_does_not_either_and_needs_no_footprints():
    blind = [[Do(step.site) for step in task] for task in reorder(30)]
    assert median([runs_needed(blind, Holding(Random(seed))) for seed in range(20)]) < 15


def test_nor_does_the_portfolio():
    assert median([runs_needed(reorder(30), Portfolio(Random(seed))) for seed in range(20)]) < 12


def test_rare_pairs_are_drawn_more_often():
    table, record = ReadsFrom(), Record()
    record.steps += [(1, 5, ((A, False),)), (1, 2, ((A, True),))]
    for _ in range(50):
        table.study(record)
    random = Random(1)
    drawn = [pair for _ in range(10) for pair in table.draw(random, 1)]
    assert drawn.count((A, 5, 2)) > 6  # never seen, against fifty times «untouched»
    assert set(table.tried) == {(A, 5, NOBODY), (A, 5, 2)}


def test_what_is_never_merely_read_is_read_by_every_touch():
    lock, record = 9, Record()
    record.steps += [(1, 1, ((lock, True),)), (2, 2, ((lock, True),))]
    assert list(ReadsFrom().pairs(record)) == [(lock, 1, NOBODY), (lock, 2, 1)]


def test_sites_are_held_in_turns():
    sites, record = Sites(), Record()
    record.steps += [(1, site, ()) for site in range(6)]
    sites.study(record)
    random = Random(1)
    for _ in range(50):
        assert len(set(sites.draw(random, 2))) == 2
    assert 0 not in sites.held
    assert max(sites.held.values()) - min(sites.held.values()) < 12


def name(site: int) -> str:
    return f"site-{site}"


def number(name: str) -> int:
    return int(name.removeprefix("site-"))


def taught(seed: int, setters: int = 3) -> Learned:
    strategy = Portfolio(Random(seed))
    for _ in runs(reorder(setters), strategy, 30):
        pass
    return strategy.learned


def test_what_is_learned_outlives_the_process():
    learned, again = taught(1), Learned()
    saved = json.loads(json.dumps(learned.save(name)))
    again.merge(saved, number)
    assert json.loads(json.dumps(again.save(name))) == saved


def test_merging_is_in_any_order_and_as_often_as_one_likes():
    one, other = taught(1).save(name), taught(2, setters=5).save(name)
    merged = []
    for parts in ((one, other), (other, one), (one, other, one, one)):
        table = Learned()
        for part in parts:
            table.merge(part, number)
        saved = table.save(name)
        saved["sites"] = dict(sorted(saved["sites"].items()))
        merged.append(saved)
    assert merged[0] == merged[1] == merged[2]


def test_numbers_of_sites_may_change_between_processes():
    learned, again = taught(1), Learned()
    again.merge(learned.save(name), lambda name: number(name) + 40)
    assert set(again.sites.held) == {site + 40 for site in learned.sites.held}


def test_nobody_is_held_for_ever():
    """One task waits at a held site for another to give up asking: after so many questions it goes on after all."""
    decider = Held(Walk(Random(1)), [5], patience=30)
    picks = [decider.pick([2, 3], [5, 6]) for _ in range(200)]
    assert picks[:31] == [1] * 31
    assert 40 < sum(picks[31:]) < 130


def test_a_pair_is_not_waited_for_for_ever():
    decider = Wanted(Walk(Random(1)), Footprints(), [(A, 5, 6)], patience=30)
    picks = [decider.pick([2, 3], [5, 7]) for _ in range(200)]
    assert picks[:31] == [1] * 31
    assert 40 < sum(picks[31:]) < 130


def test_patience_follows_the_usual_run_not_the_one_that_spins():
    table = Lengths()
    for steps in [20] * 30 + [4000] * 5 + [20] * 30:
        record = Record()
        record.steps += [(0, 1, ())] * steps
        table.study(record)
    assert table.steps == 4000
    assert table.patience < 20 * 20
