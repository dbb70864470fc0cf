"""Log-likelihoods of labels under a causal language model, each token computed once.

What is asked is a tree: one prefix shared by all, below it the reviews, below each review the
questions, below each question the labels. The keys and values of the prefix are computed once and
every batch of reviews continues from them; a review's questions and labels are laid behind it in one
row, and a mask lets each token see its own ancestors only (tree attention: Miao et al., SpecInfer,
ASPLOS 2024, https://arxiv.org/abs/2305.09781). The scores are those of every sequence read on its
own, up to rounding.
"""

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from tasks.platform.devices import is_out_of_memory, release_memory
from tasks.platform.errors import OutOfMemoryError

if TYPE_CHECKING:
    import torch

Ids = tuple[int, ...]
Scores = npt.NDArray[np.float64]
Cache = list[tuple[Any, Any]]
"""Keys and values of a run of tokens, a pair of tensors a layer, each of shape (1, heads, P, size)."""
T = TypeVar("T")

_CHECK_TOKENS: Final = 24
_CHECK_GAP: Final = {"fp32": 1e-3, "bf16": 0.5}
"""How far the two ways may be apart in nats; a model that a tree does not suit is off by whole nats."""


@dataclass(frozen=True)
class Branch:
    """A question, as tokens, and the labels that may follow it."""

    question: Ids
    labels: tuple[Ids, ...]


@dataclass(frozen=True)
class _Tree:
    """All branches laid in one row of T tokens.

    `tokens[t]` and `depths[t]`, how far behind the review it stands; `sees[t, u]` whether t may look
    at u. `reads` lists (branch, label, column, token): a label's score is the sum of the
    log-probabilities of `token` read at `column`. `shape` is (branches, most labels of one).
    """

    tokens: npt.NDArray[np.int64]
    depths: npt.NDArray[np.int64]
    sees: npt.NDArray[np.bool_]
    reads: tuple[tuple[int, int, int, int], ...]
    shape: tuple[int, int]


class LabelScorer:
    """Scores labels of reviews under one prefix; safe to share between threads.

    `network` is a causal language model of transformers in evaluation mode. Models that keep no
    keys and values, or that read positions from a plain mask, are found out by a short check and
    scored from scratch: slower, and right. So are those that look back less far than over the
    prefix and `longest` tokens behind it, for which a mask of ancestors is not enough.
    """

    def __init__(
        self,
        network: Any,
        prefix: Ids,
        *,
        device: Literal["cpu", "cuda"] = "cpu",
        precision: Literal["fp32", "bf16"] = "fp32",
        batch_tokens: int = 16_384,
        longest: int = 1024,
    ) -> None:
        self._network = network
        self.prefix = prefix
        self._device: Literal["cpu", "cuda"] = device
        self._batch_tokens = batch_tokens
        self._guard = threading.Lock()
        self._kept: Cache | None = None
        self.is_reusing = (
            bool(prefix)
            and sees_all(network, len(prefix) + longest)
            and self._suits_trees(_CHECK_GAP[precision])
        )

    def score(self, reviews: Sequence[Ids], branches: Sequence[Branch]) -> Scores:
        """Summed log-probabilities of shape (reviews, branches, labels); unequal counts hold nan.

        Raises OutOfMemoryError when a single review does not fit.
        """
        scores = np.full((len(reviews), len(branches), _count_labels(branches)), np.nan)
        if not reviews or not branches:
            return scores
        tree = _plan_tree(branches)
        longest = len(self.prefix) + len(tree.tokens)
        for rows in plan_batches([len(r) + longest for r in reviews], self._batch_tokens):
            batch = [reviews[row] for row in rows]
            scores[rows] = run_or_halve(
                lambda part: list(self._score_batch(part, branches, tree)), batch, self._device
            )
        return scores

    def score_plainly(self, reviews: Sequence[Ids], branches: Sequence[Branch]) -> Scores:
        """The same numbers without any reuse: the reference, and the way for other models."""
        return score_plainly(
            self._network, self.prefix, reviews, branches, device=self._device,
            batch_tokens=self._batch_tokens,
        )  # fmt: skip

    def count_tokens(self, review: Ids, branches: Sequence[Branch]) -> int:
        """Tokens that scoring a review sends through the network, without padding and prefix."""
        if self.is_reusing:
            return len(review) + len(_plan_tree(branches).tokens)
        return sum(
            len(self.prefix) + len(review) + len(branch.question) + len(label)
            for branch in branches
            for label in branch.labels
        )

    def _score_batch(
        self, reviews: Sequence[Ids], branches: Sequence[Branch], tree: _Tree
    ) -> Scores:
        if not self.is_reusing:
            return self.score_plainly(reviews, branches)
        return _score_rows(
            self._network, self.cache, len(self.prefix), reviews, tree, device=self._device
        )

    @property
    def cache(self) -> Cache:
        """Keys and values of the prefix, computed once."""
        with self._guard:
            if self._kept is None:
                self._kept = compute_cache(self._network, self.prefix, self._device)
            return self._kept

    def _suits_trees(self, gap: float) -> bool:
        """Whether a few made-up tokens score the same both ways."""
        some = (self.prefix * _CHECK_TOKENS)[:_CHECK_TOKENS]
        reviews = [some[8:11], some[11:18]]
        branches = [Branch(some[18:20], (some[20:22], some[1:2])), Branch(some[2:3], (some[3:4],))]
        try:
            cache = compute_cache(self._network, some[:8], self._device)
            tree = _plan_tree(branches)
            ours = _score_rows(self._network, cache, 8, reviews, tree, device=self._device)
        except (TypeError, ValueError, AttributeError, IndexError, RuntimeError):
            return False
        plain = score_plainly(
            self._network, some[:8], reviews, branches, device=self._device,
            batch_tokens=self._batch_tokens,
        )  # fmt: skip
        return bool(np.nanmax(abs(ours - plain)) <= gap)


def score_plainly(
    network: Any,
    prefix: Ids,
    reviews: Sequence[Ids],
    branches: Sequence[Branch],
    *,
    device: str = "cpu",
    batch_tokens: int = 16_384,
) -> Scores:
    """Summed log-probabilities, (reviews, branches, labels), every sequence from its first token."""
    places = [
        (r, b, n)
        for r in range(len(reviews))
        for b, branch in enumerate(branches)
        for n in range(len(branch.labels))
    ]
    heads = [(*prefix, *reviews[r], *branches[b].question) for r, b, _ in places]
    labels = [branches[b].labels[n] for _, b, n in places]
    lengths = [len(head) + len(label) for head, label in zip(heads, labels, strict=True)]
    scores = np.full((len(reviews), len(branches), _count_labels(branches)), np.nan)
    for rows in plan_batches(lengths, batch_tokens):
        found = _read_whole(network, [heads[r] for r in rows], [labels[r] for r in rows], device)
        for row, value in zip(rows, found, strict=True):
            scores[places[row]] = value
    return scores


def _read_whole(
    network: Any, heads: Sequence[Ids], labels: Sequence[Ids], device: str
) -> list[float]:
    """Log-likelihood of each label after its head; rows are padded on the right."""
    import torch

    rows = [(*head, *label) for head, label in zip(heads, labels, strict=True)]
    width, first = max(map(len, rows)), min(map(len, heads)) - 1
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    found = []
    with torch.inference_mode():
        logits = read_logits(
            network,
            list(range(first, width)),
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=torch.from_numpy(mask).to(device),
            use_cache=False,
        )
        for row, (head, label) in enumerate(zip(heads, labels, strict=True)):
            start = len(head) - 1 - first
            read = torch.log_softmax(logits[row, start : start + len(label)], dim=-1)
            found.append(float(read[range(len(label)), list(label)].sum()))
    return found


def _score_rows(
    network: Any,
    cache: Cache,
    n_prefix: int,
    reviews: Sequence[Ids],
    tree: _Tree,
    *,
    device: str,
) -> Scores:
    """Scores of one batch in one pass: reviews padded to the same length, then the tree."""
    import torch

    ids, positions, mask = _lay_rows(reviews, tree, n_prefix)
    columns = sorted({column for _, _, column, _ in tree.reads})
    width = ids.shape[1] - len(tree.tokens)
    with torch.inference_mode():
        logits = read_logits(
            network,
            [width + column for column in columns],
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=torch.from_numpy(positions).to(device),
            attention_mask=to_additive(mask, network.dtype, device),
            past_key_values=expand_cache(cache, len(reviews)),
            use_cache=True,
        )
        norms = torch.logsumexp(logits, dim=-1)
    scores = np.full((len(reviews), *tree.shape), np.nan)
    for branch, label, column, token in tree.reads:
        at = columns.index(column)
        value = (logits[:, at, token] - norms[:, at]).cpu().numpy()
        scores[:, branch, label] = np.nan_to_num(scores[:, branch, label]) + value
    return scores


def read_logits(network: Any, columns: Sequence[int], **inputs: Any) -> "torch.Tensor":
    """float32 logits at `columns`, shape (rows, columns, vocabulary); others are not computed."""
    import torch

    kept = torch.tensor(columns, device=inputs["input_ids"].device)
    if "logits_to_keep" in inspect.signature(network.forward).parameters:
        found: torch.Tensor = network(**inputs, logits_to_keep=kept).logits
    else:
        found = network(**inputs).logits[:, kept]
    return found.float()


def sees_all(network: Any, n_tokens: int) -> bool:
    """Whether every layer looks back over `n_tokens`: some only see a window that slides."""
    config = network.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    is_used = getattr(config, "use_sliding_window", True)
    return not (isinstance(window, int) and is_used and window < n_tokens)


def run_or_halve(
    run: Callable[[list[Ids]], list[T]], reviews: list[Ids], device: Literal["cpu", "cuda"]
) -> list[T]:
    """What `run` makes of each review; a batch that does not fit the device is halved.

    Raises OutOfMemoryError when a single review does not fit.
    """
    try:
        return run(reviews)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(reviews) == 1:
            raise OutOfMemoryError(
                f"one review of {len(reviews[0])} tokens does not fit on {device} behind its prompt; "
                "lower extract.llm.max_tokens or set extract.llm.device = 'cpu'"
            ) from error
    release_memory(device)
    middle = len(reviews) // 2
    return [
        *run_or_halve(run, reviews[:middle], device),
        *run_or_halve(run, reviews[middle:], device),
    ]


def compute_cache(network: Any, prefix: Ids, device: str) -> Cache:
    """Keys and values of `prefix`, a pair a layer; raises AttributeError for models without them."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    with torch.inference_mode():
        ids = torch.tensor([prefix], device=device)
        read_logits(
            network, [len(prefix) - 1], input_ids=ids, past_key_values=cache, use_cache=True
        )
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def expand_cache(cache: Cache, n_rows: int) -> Any:
    """A cache of `n_rows` equal rows, of its own, so that it can grow without touching `cache`."""
    from transformers import DynamicCache

    grown = DynamicCache()
    for layer, (keys, values) in enumerate(cache):
        grown.update(keys.expand(n_rows, -1, -1, -1), values.expand(n_rows, -1, -1, -1), layer)
    return grown


def to_additive(mask: npt.NDArray[np.bool_], dtype: Any, device: str) -> "torch.Tensor":
    """A mask of what may be seen, shape (rows, queries, keys), as what is added to attention."""
    import torch

    allowed = torch.from_numpy(mask).to(device).unsqueeze(1)
    added = torch.zeros(allowed.shape, dtype=dtype, device=device)
    return added.masked_fill_(~allowed, torch.finfo(dtype).min)


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Rows of each batch: longest first, at most `batch_tokens` with padding, at least a row."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(lengths[order[start]], 1))
        batches.append(order[start : start + size])
        start += size
    return batches


def _count_labels(branches: Sequence[Branch]) -> int:
    return max((len(branch.labels) for branch in branches), default=0)


def _plan_tree(branches: Sequence[Branch]) -> _Tree:
    """All branches as one tree: what two of them begin with is read once.

    A label's last token is never read: nothing follows it.
    """
    tokens: list[int] = []
    lines: list[list[int]] = []
    known: dict[tuple[int, int], int] = {}
    reads: list[tuple[int, int, int, int]] = []

    def add(token: int, parent: int) -> int:
        if (parent, token) not in known:
            known[parent, token] = len(tokens)
            lines.append([*(lines[parent] if parent >= 0 else ()), len(tokens)])
            tokens.append(token)
        return known[parent, token]

    for number, branch in enumerate(branches):
        stem = -1
        for token in branch.question:
            stem = add(token, stem)
        for label, parts in enumerate(branch.labels):
            column = stem
            for place, token in enumerate(parts):
                reads.append((number, label, column, token))
                if place + 1 < len(parts):
                    column = add(token, column)
    sees = np.zeros((len(tokens), len(tokens)), dtype=np.bool_)
    for row, line in enumerate(lines):
        sees[row, line] = True
    depths = np.array([len(line) - 1 for line in lines])
    shape = (len(branches), _count_labels(branches))
    return _Tree(np.array(tokens), depths, sees, tuple(reads), shape)


def _lay_rows(
    reviews: Sequence[Ids], tree: _Tree, n_prefix: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Ids and positions of shape (rows, R + T) and who sees whom, (rows, R + T, P + R + T).

    Reviews are padded on the right to R tokens; what is padded sees its review and is seen by no
    one, and leaves no gap in the positions of what follows.
    """
    lengths = np.array([len(review) for review in reviews])
    width, depth = int(lengths.max()), len(tree.tokens)
    ids = np.zeros((len(reviews), width + depth), dtype=np.int64)
    for row, review in enumerate(reviews):
        ids[row, : len(review)] = review
    ids[:, width:] = tree.tokens
    positions = np.empty_like(ids)
    positions[:, :width] = n_prefix + np.minimum(
        np.arange(width), np.maximum(lengths - 1, 0)[:, None]
    )
    positions[:, width:] = n_prefix + lengths[:, None] + tree.depths
    mask = np.zeros((len(reviews), width + depth, n_prefix + width + depth), dtype=np.bool_)
    mask[:, :, :n_prefix] = True
    mask[:, :width, n_prefix : n_prefix + width] = np.tri(width, dtype=np.bool_)
    is_word = np.arange(width) < lengths[:, None]
    mask[:, width:, n_prefix : n_prefix + width] = is_word[:, None, :]
    mask[:, width:, n_prefix + width :] = tree.sees
    return ids, positions, mask
