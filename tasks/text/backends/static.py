"""The cheapest tier: a text's vector is the weighted sum of its tokens' vectors; no network runs.

As model2vec does it (Tulkens and van Dongen 2024, https://github.com/MinishLab/model2vec): every token
of the vocabulary goes through the encoder by itself, the vectors are centred and turned to their
principal axes, and each is weighted by how rare its token is (smooth inverse frequency; Arora et al.
2017, https://openreview.net/forum?id=SyK00v5xx), with the frequency taken from the token's place in
the vocabulary by Zipf's law. Word order and context are lost: "not good, bad" is "not bad, good".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tasks.text.backends.base import Tokens, Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_DIM: Final = 256
RECIPE: Final = "static-2"
"""Names how the table comes about; change it with the code here."""
_FILE: Final = "tokens.npy"
_SMOOTH: Final = 1e-4
"""Tokens rarer than this count fully, the commonest hardly (Arora et al.: 1e-4 to 1e-3)."""


@dataclass(frozen=True)
class TokenTable:
    """Weighted token vectors.

    `vectors` has shape (vocabulary, dim); `special[t]` is whether the tokenizer adds token t by
    itself, so that it says nothing of the text.
    """

    vectors: Vectors
    special: npt.NDArray[np.bool_]

    def embed(self, batch: Sequence[npt.NDArray[np.int32]]) -> Vectors:
        """Unit vectors, shape (rows, dim); a text without tokens lies on the first axis."""
        found = np.zeros((len(batch), self.vectors.shape[1]), dtype=np.float32)
        for row, ids in enumerate(batch):
            kept = ids[~self.special[ids]]
            found[row] = self.vectors[kept].sum(axis=0, dtype=np.float64)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        found[length[:, 0] == 0, 0] = 1.0
        return np.asarray(found / np.where(length == 0, 1, length), dtype=np.float32)


def list_token_texts(tokenizer: "Tokenizer") -> Tokens:
    """What the encoder reads for each token: it, between what begins and ends a text; (vocabulary, w)."""
    frame = [int(token) for token in tokenizer.encode("").ids]
    middle = (len(frame) + 1) // 2
    texts = [
        [*frame[:middle], token, *frame[middle:]] for token in range(tokenizer.get_vocab_size())
    ]
    return np.array(texts, dtype=np.int64)


def list_special_tokens(tokenizer: "Tokenizer") -> npt.NDArray[np.bool_]:
    """Whether each token is one that the tokenizer adds, shape (vocabulary,)."""
    special = np.zeros(tokenizer.get_vocab_size(), dtype=np.bool_)
    special[[n for n, token in tokenizer.get_added_tokens_decoder().items() if token.special]] = (
        True
    )
    special[tokenizer.encode("").ids] = True
    return special


def rank_tokens(tokenizer: "Tokenizer") -> npt.NDArray[np.int64]:
    """Place of each token among the words by how common it is, from 1, shape (vocabulary,).

    Vocabularies list words and pieces from common to rare. Single characters, punctuation and places
    kept free stand before them in no such order, and count as the commonest.
    """
    tokens = [tokenizer.id_to_token(n) or "" for n in range(tokenizer.get_vocab_size())]
    bare = [token.removeprefix("##").lstrip("▁Ġ") for token in tokens]
    is_word = np.array([len(token) > 1 and token.isalpha() for token in bare])
    return np.where(is_word, np.cumsum(is_word), 1).astype(np.int64)


def make_table(vectors: Vectors, rank: npt.NDArray[np.int64], *, max_dim: int = MAX_DIM) -> Vectors:
    """Weighted principal components, (vocabulary, dim), of the tokens' own vectors, (vocabulary, d).

    `rank` is each token's place from common to rare, shape (vocabulary,).
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(centred.T @ centred)
    kept = axes[:, np.argsort(-values, kind="stable")[:max_dim]]
    # An axis may point either way: its largest part is made positive.
    largest = np.take_along_axis(kept, np.abs(kept).argmax(axis=0, keepdims=True), axis=0)
    components = centred @ (kept * np.sign(largest))
    frequency = (1 / rank) / (1 / np.arange(1, rank.max() + 1)).sum()
    weighted: Vectors = (components * (_SMOOTH / (_SMOOTH + frequency))[:, None]).astype(np.float32)
    return weighted


def write_table(table: Vectors, folder: Path) -> None:
    """Keep a table in `folder`."""
    np.save(folder / _FILE, table, allow_pickle=False)


def read_table(folder: Path, *, special: npt.NDArray[np.bool_]) -> TokenTable:
    """What `write_table` wrote."""
    return TokenTable(np.load(folder / _FILE, allow_pickle=False), special)
