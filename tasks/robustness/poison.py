"""Attacks that are optimised by gradient, against a conclusion or against a recommender."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.platform.errors import ConfigError
from tasks.robustness.behaviour import say, write_rows
from tasks.robustness.corpus import Corpus, Floats, Ints
from tasks.robustness.effects import Target
from tasks.robustness.fake_text import Writer, write_templates
from tasks.robustness.profiles import Aim, Draft, draw_profiles, profile_size, rate_opposite
from tasks.robustness.surrogate import Factors, RidgeFactors

ROUNDS: Final = 8
"""Each doubles the attack, so that its heads are good small attacks."""
PER_ACCOUNT: Final = 2
ROOM: Final = 4
STEPS: Final = 5
STEP_SIZE: Final = 0.3
TRIED: Final = 4
"""Profiles climbed for each that is kept."""
_PENALTY: Final = RidgeFactors().penalty


def poison_conclusion(
    target: Target,
    aim: Aim,
    rows: int,
    rng: np.random.Generator,
    *,
    writer: Writer = write_templates,
) -> pl.DataFrame:
    """Fake reviews that move the effect of `aim.attribute` most: down to "contradict", else up.

    Candidates are praise and blame of the attribute beside the highest and the lowest rating of
    every item. In each of `ROUNDS` the gradient of the effect with respect to one more candidate
    is taken at the rows so far, and the best are added; an item gets at most a fake for every
    `ROOM` genuine reviews. It is the gradient attack on regression of Xiao et al. 2015 ("Is feature selection
    secure against training data poisoning?") with rows that a reviewer could have written.
    """
    corpus = target.corpus
    if aim.attribute is None:
        raise ConfigError("this attack moves the effect of an attribute; name one")
    sign = 1.0 if aim.tale == "agree" else -1.0
    draft, says = _list_candidates(corpus, aim.attribute)
    pool = write_rows(draft, says, corpus, rng, days=aim.days, writer=_write_nothing)
    room = -(-corpus.item_counts // ROOM)
    parts: list[pl.DataFrame] = []
    edges = (rows * 0.5 ** np.arange(ROUNDS - 1, -1, -1)).round().astype(int)
    for share in np.diff(np.concatenate([[0], edges])):
        so_far = pl.concat(parts) if parts else None
        gain = sign * target.gradient(aim.attribute, pool, so_far)
        picked = _pick_best(gain, draft.item, room, int(share))
        parts.append(_write_picked(draft, says, corpus, picked, aim, rng, writer))
    return pl.concat(parts)


def poison_recommender(
    corpus: Corpus,
    aim: Aim,
    rows: int,
    rng: np.random.Generator,
    *,
    surrogate: RidgeFactors | None = None,
    writer: Writer = write_templates,
) -> pl.DataFrame:
    """Profiles that move the targets' expected ratings most, by a surrogate's gradient.

    Filler ratings of random profiles climb the gradient of the targets' mean expected rating,
    through the ridge solutions of the fake users' factors and then of the targets' (the alternating
    step of Li et al. 2016, "Data poisoning attacks on factorization-based collaborative
    filtering", differentiated by torch). Of `TRIED` profiles an account those are kept, with
    ratings rounded to stars within the scale, by which the target gains most.
    """
    if not aim.items:
        raise ConfigError("this attack needs target items; name some")
    fitted = (surrogate or RidgeFactors()).fit(
        corpus.user, corpus.item, corpus.rating, n_users=len(corpus.users),
        n_items=len(corpus.items),
    )  # fmt: skip
    size = profile_size(corpus)
    accounts = -(-rows // size)
    draft = draw_profiles(
        corpus, aim, TRIED * accounts * size, rng, filler=rate_opposite, size=size
    )
    best = _climb(corpus, aim, draft, fitted, accounts)
    cut = best.head(rows)
    return write_rows(cut, say(cut, corpus, aim), corpus, rng, days=aim.days, writer=writer)


def _list_candidates(corpus: Corpus, attribute: str) -> tuple[Draft, Any]:
    """Four candidates an item: highest and lowest rating, praise and blame."""
    n = len(corpus.items)
    item = np.repeat(np.arange(n), 4)
    rating = np.tile([corpus.highest, corpus.highest, corpus.lowest, corpus.lowest], n)
    says = np.zeros((4 * n, len(corpus.attributes)), dtype=np.int8)
    says[:, corpus.attributes.index(attribute)] = np.tile([1, -1, 1, -1], n)
    return Draft(np.arange(4 * n), item, rating, np.ones(4 * n, dtype=bool)), says


def _write_nothing(says: Any, _attributes: Any, _rng: Any) -> list[str]:
    return [""] * len(says)


def _pick_best(gain: Floats, item: Ints, room: Ints, count: int) -> list[int]:
    """Positions of the best candidates, repeated while their item has room; `room` is used up."""
    picked: list[int] = []
    for at in np.argsort(-gain, kind="stable"):
        if len(picked) >= count or gain[at] <= 0:
            break
        take = min(int(room[item[at]]), count - len(picked))
        picked += [int(at)] * take
        room[item[at]] -= take
    return picked


def _write_picked(
    draft: Draft,
    says: Any,
    corpus: Corpus,
    picked: list[int],
    aim: Aim,
    rng: np.random.Generator,
    writer: Writer,
) -> pl.DataFrame:
    """Reviews of the picked candidates, in random order, two an account."""
    if not picked:
        return corpus.frame.clear()
    at = rng.permutation(np.array(picked))
    account = np.arange(len(at)) // PER_ACCOUNT
    part = Draft(account, draft.item[at], draft.rating[at], draft.is_target[at])
    return write_rows(part, says[at], corpus, rng, days=aim.days, writer=writer)


@dataclass(frozen=True, eq=False)
class _Fixed:
    """What the gradient takes as given, as tensors, for t targets and width w = rank + 1.

    `item` (items, rank + 2) factors; `grams` (t, w, w) and `cross` (t, w) of the targets' genuine
    ratings; `users` (users, w) factors of genuine users; `mean` of all ratings; `targets` codes.
    """

    item: Any
    grams: Any
    cross: Any
    users: Any
    mean: float
    targets: list[int]


def _climb(corpus: Corpus, aim: Aim, draft: Draft, fitted: Factors, accounts: int) -> Draft:
    """The `accounts` best of the profiles of `draft`, once their fillers climbed the gradient."""
    import torch

    sign = 1.0 if aim.mode == "push" else -1.0
    fixed = _hold(corpus, fitted, aim.items)
    tried = int(draft.account.max()) + 1
    ratings = torch.tensor(draft.rating, requires_grad=True)
    weights = torch.full((tried,), accounts / tried, dtype=torch.float64, requires_grad=True)
    is_filler = torch.tensor(~np.isin(draft.item, aim.items))
    for _ in range(STEPS):
        gain = sign * _expect(ratings, weights, draft, fixed)
        (slope,) = torch.autograd.grad(gain, ratings)
        with torch.no_grad():
            step = STEP_SIZE * slope.sign()
            ratings += torch.where(is_filler, step, 0.0)
            ratings.clamp_(corpus.lowest, corpus.highest)
    final = ratings.detach().round().clamp(corpus.lowest, corpus.highest)
    (worth,) = torch.autograd.grad(sign * _expect(final, weights, draft, fixed), weights)
    order = np.argsort(-worth.numpy(), kind="stable")[:accounts]
    place = np.full(tried, -1)
    place[order] = np.arange(accounts)
    rows = np.flatnonzero(place[draft.account] >= 0)
    rows = rows[np.argsort(place[draft.account[rows]], kind="stable")]
    return Draft(
        place[draft.account[rows]], draft.item[rows], final.numpy()[rows], draft.is_target[rows]
    )


def _hold(corpus: Corpus, fitted: Factors, targets: tuple[int, ...]) -> _Fixed:
    import torch

    users = np.delete(fitted.user, -2, axis=1)
    left = corpus.rating - fitted.mean - fitted.user[corpus.user, -2]
    known = [users[corpus.user[corpus.item == code]] for code in targets]
    cross = [part.T @ left[corpus.item == code] for part, code in zip(known, targets, strict=True)]
    return _Fixed(
        item=torch.tensor(fitted.item),
        grams=torch.tensor(np.stack([part.T @ part for part in known])),
        cross=torch.tensor(np.stack(cross)),
        users=torch.tensor(users),
        mean=fitted.mean,
        targets=list(targets),
    )


def _expect(ratings: Any, weights: Any, draft: Draft, fixed: _Fixed) -> Any:
    """Mean expected rating of the targets by genuine users, once the fakes are learnt from."""
    import torch

    account, code = torch.tensor(draft.account), torch.tensor(draft.item)
    left = ratings - fixed.mean
    x = fixed.item[code][:, :-1]
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    grams = torch.zeros(len(weights), *eye.shape, dtype=x.dtype)
    grams = grams.index_add(0, account, x[:, :, None] * x[:, None, :]) + _PENALTY * eye
    cross = torch.zeros(len(weights), x.shape[1], dtype=x.dtype)
    cross = cross.index_add(0, account, x * (left - fixed.item[code][:, -1])[:, None])
    fakes = torch.linalg.solve(grams, cross[:, :, None])[:, :, 0]
    own = torch.cat([fakes[:, :-1], torch.ones(len(fakes), 1, dtype=x.dtype)], dim=1)
    factors = []
    for at, target in enumerate(fixed.targets):
        rows = torch.nonzero(code == target)[:, 0]
        z, w = own[account[rows]], weights[account[rows]]
        error = left[rows] - fakes[account[rows], -1]
        gram = fixed.grams[at] + (z * w[:, None]).T @ z + _PENALTY * eye
        factors.append(torch.linalg.solve(gram, fixed.cross[at] + z.T @ (w * error)))
    return (fixed.users @ torch.stack(factors).T).mean()
