"""The readers of the text room, and models beside them, as attacks want them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.desk.texts import Desk
from tasks.platform.errors import ConfigError
from tasks.platform.labels import ABSENT, NEGATIVE, NEUTRAL, POSITIVE
from tasks.robustness.text.substitution import choose_vocabulary, find_neighbours
from tasks.text.concepts import plan_targets
from tasks.text.distilled import DistilledExtractor, observe
from tasks.text.encoder import Encoder
from tasks.text.evaluate import read_answers
from tasks.text.extract import AttributeLike, Embed, Extractor
from tasks.text.llm_model import CausalModel
from tasks.text.task import open_encoder

Floats = npt.NDArray[np.float64]
LABELS: Final = ("positive", "negative", "neutral", "not mentioned")
CODES: Final = (POSITIVE, NEGATIVE, NEUTRAL, ABSENT)
SIDES: Final = (0, 1)
_LEAST_SURE: Final = 0.4
"""Probability of an answer of confidence 0, so that it stays the likeliest of the four."""
_MAX_NEW_TOKENS: Final = 96


@dataclass
class Memory:
    """Vectors of texts by an encoder, each computed once a process; nothing is written down.

    What an attack makes up is no text of the warehouse: it has no place in the store of embeddings.
    """

    encoder: Encoder
    known: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dim)."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.encoder.encode(new), strict=True))
        return np.array([self.known[text] for text in texts], dtype=np.float32)


@dataclass
class Reading:
    """An extractor as attacks see it: probabilities of `LABELS`, all attributes of a text at once.

    A text is read once, whichever attribute is asked about.
    """

    reader: Extractor
    attributes: tuple[AttributeLike, ...]
    embed: Embed
    known: dict[str, Floats] = field(default_factory=dict)

    def read(self, texts: Sequence[str]) -> Floats:
        """Shape (n, attributes, labels); NaN for texts that the extractor skips."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self._read_new(new), strict=True))
        rows = [self.known[text] for text in texts]
        return np.array(rows).reshape(len(texts), len(self.attributes), len(LABELS))

    def _read_new(self, texts: Sequence[str]) -> Floats:
        if isinstance(self.reader, DistilledExtractor):
            return self._ask_probe(self.reader, texts)
        reviews = [(str(row), text) for row, text in enumerate(texts)]
        found = self.reader.extract(reviews, attributes=self.attributes, embed=self.embed)
        shares = np.full((len(texts), len(self.attributes), len(LABELS)), np.nan)
        if found.frame.height:
            answers, sure = read_answers(found.frame, [one.name for one in self.attributes])
            order = found.frame["review_id"].unique(maintain_order=True)
            shares[order.cast(pl.Int64).to_numpy()] = spread_answers(answers, sure)
        return shares

    def _ask_probe(self, reader: DistilledExtractor, texts: Sequence[str]) -> Floats:
        """Its probabilities themselves; labels that it never learnt have none."""
        readings, inputs = observe(texts, self.attributes, self.embed, base=reader.base)
        shares = np.zeros((len(texts), len(self.attributes), len(LABELS)))
        places = [CODES.index(label) for label in reader.probe.classes]
        shares[:, :, places] = reader.probe.predict(inputs)
        is_empty = ~np.isin(np.arange(readings.n), readings.review)
        shares[is_empty] = np.eye(len(LABELS))[CODES.index(ABSENT)]
        return shares


@dataclass(frozen=True)
class AttributeVictim:
    """What a reader says of one attribute."""

    reading: Reading
    at: int
    labels: tuple[str, ...] = LABELS

    def predict(self, texts: Sequence[str]) -> Floats:
        """Shape (n, labels)."""
        return self.reading.read(texts)[:, self.at]


def spread_answers(answers: npt.NDArray[np.int64], sure: Floats) -> Floats:
    """Probabilities (n, attributes, labels) of answers with confidences in [0, 1], both (n, attributes).

    Confidence 0 keeps the answer the likeliest; what is left is spread evenly.
    """
    share = _LEAST_SURE + (1.0 - _LEAST_SURE) * sure
    rest = (1.0 - share) / (len(LABELS) - 1)
    is_answer = answers[..., None] == np.array(CODES)
    return np.where(is_answer, share[..., None], rest[..., None])


def read_others(reading: Reading, at: int) -> Callable[[Sequence[str]], npt.NDArray[np.int64]]:
    """Labels of all attributes but number `at`: praise, blame, or neither."""

    def read(texts: Sequence[str]) -> npt.NDArray[np.int64]:
        answers = np.nan_to_num(np.delete(reading.read(texts), at, axis=1)).argmax(axis=2)
        return np.where(answers > 1, 2, answers)

    return read


def list_terms(attributes: Sequence[AttributeLike], at: int) -> frozenset[str]:
    """Single words that mean attribute number `at`, in lower case."""
    target = plan_targets(attributes)[at]
    return frozenset(term[0] for term in target.terms if len(term) == 1) | target.heads


def make_neighbours(desk: Desk) -> Callable[[Sequence[str]], Mapping[str, Sequence[str]]]:
    """Neighbours among the whole words of the encoder's tokenizer, by its table of token vectors.

    The same words are looked up once, however many targets ask for them.
    """

    @cache
    def find_all(words: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
        return find(words)

    def find(words: Sequence[str]) -> Mapping[str, Sequence[str]]:
        from tokenizers import Tokenizer

        encoder = open_encoder(desk.settings.text.model_copy(update={"precision": "static"}))
        path = encoder.folder / "tokenizer.json"
        if not path.is_file():
            raise ConfigError(f"substitution needs {path}; use an encoder with a tokenizer.json")
        ranked = sorted(Tokenizer.from_file(str(path)).get_vocab().items(), key=lambda row: row[1])
        vocabulary = choose_vocabulary(token for token, _ in ranked)
        kept = [word for word in words if word]
        return find_neighbours(
            kept, encoder.encode(kept), vocabulary=vocabulary, space=encoder.encode(vocabulary)
        )

    return lambda words: find_all(tuple(words))


@dataclass(frozen=True)
class Writer:
    """A causal language model that goes on with texts and says how surprising they are.

    `unwritten` and `cut` gather the prompts and texts that its positions have no room for.
    """

    model: CausalModel
    seed: int = 0
    unwritten: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)

    def generate(self, prompts: Sequence[str], n: int) -> list[list[str]]:
        """`n` continuations of each prompt, sampled; the same for a prompt in any company.

        None of a prompt that leaves no room for what is to be written.
        """
        import torch

        written: list[list[str]] = []
        for prompt in prompts:
            ids = torch.tensor([self.model.encode_opening(prompt)], device=self.model.device)
            if ids.shape[1] + _MAX_NEW_TOKENS > self.model.max_positions:
                self.unwritten.add(prompt)
                written.append([])
                continue
            torch.manual_seed(self.seed)
            with torch.inference_mode():
                found = self.model.network.generate(
                    ids, attention_mask=torch.ones_like(ids), do_sample=True, top_p=0.9,
                    temperature=0.8, num_return_sequences=n, max_new_tokens=_MAX_NEW_TOKENS,
                    pad_token_id=self.model.tokenizer.eos_token_id or 0,
                )  # fmt: skip
            decode = self.model.tokenizer.decode
            written.append([decode(row[ids.shape[1] :], skip_special_tokens=True) for row in found])
        return written

    def surprise(self, texts: Sequence[str]) -> Floats:
        """Mean negative log-likelihood of the tokens of each text, in nats, shape (n,).

        Of a text that is longer than the model's positions, that of its start.
        """
        import torch

        found = []
        for text in texts:
            ids = torch.tensor([self.model.encode_opening(text)], device=self.model.device)
            if ids.shape[1] > self.model.max_positions:
                self.cut.add(text)
                ids = ids[:, : self.model.max_positions]
            if ids.shape[1] < 2:
                found.append(0.0)
                continue
            with torch.inference_mode():
                logits = self.model.network(ids).logits[0, :-1].float()
            found.append(float(torch.nn.functional.cross_entropy(logits, ids[0, 1:])))
        return np.array(found)

    def tell(self) -> list[str]:
        """What was too long for the model, in words; empty when nothing was."""
        parts = (
            (self.unwritten, "without a paraphrase"),
            (self.cut, "of whose perplexity only the start is known"),
        )
        told = [f"{len(texts):,} {said}" for texts, said in parts if texts]
        reach = f"too long for the {self.model.max_positions:,} tokens that --lm looks at"
        return [f"{reach}: {', '.join(told)}"] if told else []


def open_translator(folder: str) -> Callable[[Sequence[str]], list[str]]:
    """A sequence-to-sequence model in a folder; raises ConfigError when there is none."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    if not (Path(folder) / "config.json").is_file():
        raise ConfigError(f"{folder} is no folder of a model; --translate takes two of them")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        network = AutoModelForSeq2SeqLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).eval()
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"cannot load a translator from {folder}: {first}") from error

    def translate(texts: Sequence[str]) -> list[str]:
        return [_translate_one(tokenizer, network, text) for text in texts]

    return translate


def _translate_one(tokenizer: Any, network: Any, text: str) -> str:
    import torch

    inputs = tokenizer([text], return_tensors="pt", truncation=True)
    with torch.inference_mode():
        ids = network.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=256)
    return str(tokenizer.decode(ids[0], skip_special_tokens=True))
