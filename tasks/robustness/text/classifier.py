"""Any Hugging Face text classifier in a folder, as somebody to attack. Only safetensors are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.platform.devices import count_places
from tasks.platform.errors import ConfigError
from tasks.robustness.text.victim import Floats

_BATCH = 32


@dataclass(frozen=True)
class Classifier:
    """A sequence classification model; `labels` are its own names of them."""

    tokenizer: Any
    network: Any
    labels: tuple[str, ...]
    max_tokens: int = 256

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape (n, labels); texts of like length are read together."""
        import torch

        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        shares = np.zeros((len(texts), len(self.labels)))
        for at in range(0, len(order), _BATCH):
            rows = order[at : at + _BATCH]
            batch = [texts[row].encode("utf-8", "replace").decode() for row in rows]
            inputs = self.tokenizer(
                batch, padding=True, truncation=True, max_length=self.max_tokens,
                return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                logits = self.network(**inputs).logits.double()
            shares[rows] = torch.softmax(logits, dim=1).numpy()
        return shares


def open_classifier(folder: str, *, max_tokens: int = 256) -> Classifier:
    """Load a classifier; raises ConfigError when the folder holds none.

    Texts are cut at `max_tokens`, or at what the network has places for.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if not (Path(folder) / "config.json").is_file():
        raise ConfigError(f"{folder} is no folder of a model; it needs a config.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        network = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).eval()
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"cannot load a text classifier from {folder}: {first}") from error
    names = network.config.id2label
    labels = tuple(str(names[at]) for at in range(network.config.num_labels))
    places = count_places(getattr(network.config, "max_position_embeddings", None))
    limit = max_tokens if places is None else min(max_tokens, places)
    return Classifier(tokenizer, network, labels, limit)
