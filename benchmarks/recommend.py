"""Learning from sessions: catena's Recommender beside an equal GRU4Rec written with torch.nn.

    CATENA_DATA=folder python benchmarks/recommend.py [--sessions N] [--rows N ...] [--repeats N]

Sessions of diginetica and all of its 43,097 items; one table to read and to score with, 100 units,
cross-entropy with logQ against 2,048 shared samples, Adagrad with momentum that moves only rows
which were used, a dropout of 0.3 before and behind the state; as many predictions an update on
every side. The sides:

    side by side   one item of each of some sessions an update, as GRU4Rec's authors train
    padded         padded batches of whole sessions of like length, one call of nn.GRU each
    catena         ragged batches of whole sessions

Before anything is timed, all sides must give every prediction of these sessions the same loss, with
the same weights and samples and nothing dropped, to 1e-4. On one thread, by processor time; the
median of some passes over the same sessions, each side going on with its own weights.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from harness import in_turns, keep
from recommend_plain import Adagrad, Plain, Samples, losses, padded, side_by_side
from torch import Tensor

from catena import GRU, CrossEntropy, Gradient, Sequences, Symbols
from catena.learn import Run
from catena.learn.next_item import NextItem
from catena.model import SequenceModel

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import sessions as recipe

UNITS, DROPOUT, LOSS = 100, 0.3, CrossEntropy(samples=2048, exponent=0.5)
RATE, MOMENTUM, CLOSE = 0.05, 0.1, 1e-4


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sessions", type=int, default=12000, help="learned from in a turn")
    arguments.add_argument(
        "--rows", type=int, nargs="*", default=[2, 8, 16], help="of 16 items each"
    )
    arguments.add_argument("--repeats", type=int, default=5)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    train, counts = _numbered(Path(os.environ["CATENA_DATA"]))
    chosen = train[-given.sessions :]
    facts = {f"{rows} rows": _timed(chosen, counts, rows, given.repeats) for rows in given.rows}
    keep("recommend", {"sessions": len(chosen), "items": len(counts), **facts})


def _numbered(folder: Path) -> tuple[list[Tensor], Tensor]:
    rows, _ = recipe.diginetica(folder)
    space = Symbols.learn(rows, "item", "error", end=False)
    train = [row for row in space.encode(rows) if len(row) > 1]
    return train, torch.bincount(torch.cat(train), minlength=len(space.items))


def _timed(
    sessions: list[Tensor], counts: Tensor, rows: int, repeats: int
) -> dict[str, float | dict[str, float] | dict[str, dict[str, float]]]:
    items = len(counts)
    space = Symbols(tuple(range(items)), unknown="error", end=False)
    rung = GRU(
        UNITS, embedding=UNITS, dropout=DROPOUT, embedding_dropout=DROPOUT, tied=True, start="zero"
    )
    model = rung.build(space)
    objective = NextItem(model, Sequences.from_list(sessions), counts, LOSS, rows, 16, sparse=True)
    updates = objective.updates(objective.batches(torch.Generator().manual_seed(0)))
    lanes = round(objective.predictions / updates)
    check(model, objective, sessions, lanes)
    how = Gradient(
        epochs=1, optimizer="adagrad", rate=RATE, momentum=MOMENTUM, schedule="constant",
        warmup=0, clip=0.0, weight_decay=0.0, evaluations=1,
    )  # fmt: skip
    budget = round(objective.predictions / updates + len(sessions) / updates)
    sides: dict[str, Callable[[], object]] = {
        "side by side": _side_by_side(plain_of(model), counts, sessions, lanes),
        "padded": _padded(plain_of(model), counts, sessions, budget),
        "catena": lambda: how.descend(model, objective, None, Run()),
    }
    timed = in_turns(sides, repeats, time.process_time)
    mine = timed["catena"]["median"]
    for name, side in timed.items():
        print(
            f"{lanes} predictions an update  {name:12} "
            f"{objective.predictions / side['median']:8,.0f} a second  "
            f"{side['median'] / mine:5.2f} times catena's  {side['peak_mib']:5.0f} MiB"
        )
    ratios = {name: side["median"] / mine for name, side in timed.items() if name != "catena"}
    return {
        "predictions": objective.predictions,
        "predictions_an_update": lanes,
        "predictions_a_second": objective.predictions / mine,
        "ratios": ratios,
        "seconds": timed,
    }


def plain_of(model: SequenceModel) -> Plain:
    """The plain model with the same weights."""
    table, bias = model.head.table  # type: ignore[attr-defined]
    plain = Plain(len(table), UNITS, DROPOUT)
    cell = model.recurrence.layers[0]  # type: ignore[attr-defined,index]
    given = {
        "table.weight": table,
        "bias.weight": bias[:, None],
        **{f"gru.{name}_l0": getattr(cell, name) for name in
           ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
        "project.weight": model.head.linear.weight,  # type: ignore[attr-defined]
        "project.bias": model.head.linear.bias,  # type: ignore[attr-defined]
    }  # fmt: skip
    plain.load_state_dict({name: tensor.detach().clone() for name, tensor in given.items()})
    return plain.train()


@torch.no_grad()
def check(model: SequenceModel, objective: NextItem, sessions: list[Tensor], lanes: int) -> None:
    """The same losses on every side, or nothing is timed."""
    samples = Samples(objective.counts, LOSS.samples, LOSS.exponent)
    others = samples.draw()
    model.eval()
    plain = plain_of(model).eval()
    longest = max(map(len, sessions))
    data = Sequences.from_list(sessions)
    whole = NextItem(model, data, objective.counts, LOSS, len(sessions), longest)
    (batch,) = whole.batches(None)
    (piece,) = whole.pieces(batch)
    mine = whole.score(replace(piece, others=others), None)
    found = {"catena": -mine.log_prob.values}
    parts, h = [], torch.zeros(1, lanes, UNITS)
    for x, y, begins, kept in side_by_side(sessions, lanes):
        h = h[:, kept]
        h[:, begins] = 0
        h, own, scores = plain.step(x, y, others, h)
        parts.append(losses(own, scores, y, others, samples.log_draws[others]))
    found["side by side"] = torch.cat(parts)
    parts = []
    for x, real, y in padded(sessions, 500):
        own, scores = plain.whole(x, real, y, others)
        parts.append(losses(own, scores, y, others, samples.log_draws[others]))
    found["padded"] = torch.cat(parts)
    model.train()
    wanted = found["catena"].sort().values
    for name, values in found.items():
        apart = float((values.sort().values - wanted).abs().max())
        print(f"{name}: {len(values)} losses, mean {float(values.mean()):.6f}, apart {apart:.1e}")
        if apart > CLOSE:
            raise SystemExit(f"{name} has other losses; nothing was timed")


def _side_by_side(
    plain: Plain, counts: Tensor, sessions: list[Tensor], lanes: int
) -> Callable[[], None]:
    optimizer, samples = (
        Adagrad(plain, RATE, MOMENTUM),
        Samples(counts, LOSS.samples, LOSS.exponent),
    )

    def work() -> None:
        order = torch.randperm(len(sessions)).tolist()
        h = torch.zeros(1, lanes, UNITS)
        for x, y, begins, kept in side_by_side([sessions[place] for place in order], lanes):
            h = h.detach()[:, kept]
            h[:, begins] = 0
            others = samples.draw()
            h, own, scores = plain.step(x, y, others, h)
            losses(own, scores, y, others, samples.log_draws[others]).mean().backward()
            optimizer.step()

    return work


def _padded(
    plain: Plain, counts: Tensor, sessions: list[Tensor], budget: int
) -> Callable[[], None]:
    optimizer, samples = (
        Adagrad(plain, RATE, MOMENTUM),
        Samples(counts, LOSS.samples, LOSS.exponent),
    )

    def work() -> None:
        for x, real, y in padded(sessions, budget):
            others = samples.draw()
            own, scores = plain.whole(x, real, y, others)
            losses(own, scores, y, others, samples.log_draws[others]).mean().backward()
            optimizer.step()

    return work


if __name__ == "__main__":
    main()
