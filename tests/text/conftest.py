"""Fixtures of the text room: a tiny random encoder for plumbing, the packaged one for quality."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.text.encoder import Encoder
from tasks.text.store import EmbeddingStore

WORDS = [
    "the",
    "a",
    "it",
    "is",
    "was",
    "food",
    "service",
    "great",
    "good",
    "bad",
    "terrible",
    "slow",
    "fast",
    "and",
    "but",
    "not",
    "very",
    "sound",
]


def build_tiny_model(folder: Path, *, positions: int = 64) -> Path:
    """A two-layer BERT with random weights and a vocabulary of letters and a few words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    pieces = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *pieces,
        *(f"##{p}" for p in pieces),
        *WORDS[1:],
    ]
    index = {piece: number for number, piece in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(index, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(index),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
    )
    folder.mkdir(parents=True, exist_ok=True)
    network = BertModel(config)
    network.train(False)
    network.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_mean_tokens": True})
    )
    return folder


CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tiny_llm(
    folder: Path, *, is_chat: bool = True, kind: str = "llama", positions: int = 8192
) -> Path:
    """A two-layer causal language model with random weights over bytes and a few merged words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=marks,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([" ".join(WORDS), "positive negative not mentioned", "review"], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=marks[1], eos_token=marks[2], unk_token=marks[0]
    )
    if is_chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    size = len(tokenizer)
    if kind == "gpt2":
        config = GPT2Config(
            vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=min(positions, 4096)
        )
        network = GPT2LMHeadModel(config)
    else:
        config = LlamaConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=positions,
            initializer_range=0.3,  # scores that differ: the usual 0.02 makes all texts alike
        )
        network = LlamaForCausalLM(config)
    network.train(False)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llm(tmp_path_factory.mktemp("llm") / "model")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    import torch

    torch.set_num_threads(min(2, torch.get_num_threads()))
    return Encoder(device="cpu")


@pytest.fixture(scope="session")
def embed(
    minilm: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sequence[str]], npt.NDArray[np.float32]]:
    store = EmbeddingStore(tmp_path_factory.mktemp("embeddings"), minilm)
    return lambda texts: store.embed(texts).vectors


def find_real_data() -> Path | None:
    """The folder of real reviews, where there is one (`WHYREC_REAL_DATA`)."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("WHYREC_REAL_DATA", default))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = find_real_data()
    if folder is None:
        pytest.skip("real data not found; set WHYREC_REAL_DATA to its folder")
    return folder
