"""What other libraries need for the ratings of bench_recommend; needs only them, numpy and scipy.

    python recommend_peers.py LIBRARY DATA.npz THREADS RANK RATE DECAY

Run by bench_recommend with the Python that has the library. Prints a JSON list of points: the passes
over the ratings, the processor seconds of training alone, and the losses of the model then.
"""

import json
import sys
import time

import numpy as np

PASSES = (1, 2, 3, 5, 8, 12, 20, 30, 45, 60)


def measure(predict, data):
    """Mean squared errors of training and of held-out ratings."""
    return {
        part: float(np.mean((predict(data[f"{part}_users"], data[f"{part}_items"]) - data[part]) ** 2))
        for part in ("train", "test")
    }  # fmt: skip


def add_up(mean, user, item, left, right):
    """Predictions of biased factorisation."""
    return lambda u, i: mean + user[u] + item[i] + np.einsum("nk,nk->n", left[u], right[i])


def run_cornac(data, *, threads, rank, rate, decay):
    """`MF` of cornac: biased factorisation by stochastic gradient descent in C++."""
    from cornac.data import Dataset
    from cornac.models import MF

    n_users, n_items = (int(n) for n in data["shape"])
    names = {u: u for u in range(n_users)}, {i: i for i in range(n_items)}
    triples = data["train_users"], data["train_items"], data["train"]
    known = Dataset(n_users, n_items, *names, triples, seed=0)
    for passes in PASSES:
        model = MF(
            k=rank, max_iter=passes, learning_rate=rate, lambda_reg=decay, use_bias=True,
            early_stop=False, num_threads=threads, seed=0,
        )  # fmt: skip
        start = time.process_time()
        model.fit(known)
        seconds = time.process_time() - start
        found = (
            model.global_mean,
            model.u_biases,
            model.i_biases,
            model.u_factors,
            model.i_factors,
        )
        yield {"passes": passes, "seconds": seconds, **measure(add_up(*found), data)}


def run_surprise(data, *, threads, rank, rate, decay):
    """`SVD` of scikit-surprise: the same in Cython; it has one thread whatever `threads` says."""
    from surprise import SVD
    from surprise.trainset import Trainset

    n_users, n_items = (int(n) for n in data["shape"])
    by_user = {u: [] for u in range(n_users)}
    by_item = {i: [] for i in range(n_items)}
    columns = (data[name].tolist() for name in ("train_users", "train_items", "train"))
    for u, i, r in zip(*columns, strict=True):
        by_user[u].append((i, r))
        by_item[i].append((u, r))
    scale = float(data["train"].min()), float(data["train"].max())
    names = {u: u for u in range(n_users)}, {i: i for i in range(n_items)}
    known = Trainset(by_user, by_item, n_users, n_items, len(data["train"]), scale, *names)
    for passes in PASSES:
        model = SVD(n_factors=rank, n_epochs=passes, lr_all=rate, reg_all=decay, random_state=0)
        start = time.process_time()
        model.fit(known)
        seconds = time.process_time() - start
        found = (known.global_mean, model.bu, model.bi, model.pu, model.qi)
        yield {"passes": passes, "seconds": seconds, **measure(add_up(*found), data)}


def weigh_all_pairs(users, items, data, penalty):
    """The loss that implicit minimises: Σ over all pairs of c (p − x·y)², + penalty (Σx² + Σy²).

    c is the rating where there is one, and p then 1; elsewhere they are 1 and 0 (Hu et al. 2008,
    https://doi.org/10.1109/ICDM.2008.22). `penalty` is what the parameters add.
    """
    users, items = (np.asarray(side, dtype=np.float64) for side in (users, items))
    found = np.einsum("nk,nk->n", users[data["train_users"]], items[data["train_items"]])
    whole = ((users.T @ users) * (items.T @ items)).sum()
    return float(whole + (data["train"] * (1 - found) ** 2 - found**2).sum() + penalty)


def run_implicit(data, *, threads, rank, rate, decay):
    """`AlternatingLeastSquares` of implicit, on its own loss: all pairs, weighted by the rating."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    places = data["train_users"], data["train_items"]
    shape = tuple(int(n) for n in data["shape"])
    known = csr_matrix((data["train"].astype(np.float32), places), shape=shape)
    model = AlternatingLeastSquares(
        factors=rank, regularization=decay, alpha=1.0, iterations=20, random_state=0,
        num_threads=threads,
    )  # fmt: skip
    points, spent = [], 0.0

    def look(step, *_):
        nonlocal spent, start
        spent += time.process_time() - start
        size = float((model.user_factors**2).sum() + (model.item_factors**2).sum())
        loss = weigh_all_pairs(model.user_factors, model.item_factors, data, decay * size)
        points.append({"passes": step + 1, "seconds": spent, "loss": loss})
        start = time.process_time()

    start = time.process_time()
    model.fit(known, show_progress=False, callback=look)
    return points


LIBRARIES = {"cornac": run_cornac, "surprise": run_surprise, "implicit": run_implicit}

if __name__ == "__main__":
    name, file, threads, rank, rate, decay = sys.argv[1:7]
    with np.load(file) as stored:
        ratings = {key: stored[key] for key in stored.files}
    found = LIBRARIES[name](
        ratings, threads=int(threads), rank=int(rank), rate=float(rate), decay=float(decay)
    )
    print(json.dumps(list(found)))
