"""Fake reviews written by a language model: what an attacker with a better pen would post."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.robustness.behaviour import Says
from tasks.robustness.fake_text import Writer, write_templates
from tasks.text.extractors import MODELS
from tasks.text.llm_model import CausalModel

POOL: Final = 32
"""Texts that are written for each thing to say; fakes draw from them."""
NEW_TOKENS: Final = 40
ASKED: Final = "Write one short product review in plain words. {said}\nReview:"


def choose_writer(name: str, config: str | None) -> Writer:
    """The writer that --writer names: templates, or llm, the model of `extract.llm`."""
    if name == "templates":
        return write_templates
    if name == "llm":
        settings = load_settings(config)
        return LlmWriter(open_model(settings, resolve_site(settings).lake.root / MODELS))
    raise ConfigError(f"--writer is {name!r}; use templates or llm")


def open_model(settings: Settings, kept: Path) -> CausalModel:
    """The language model of the settings."""
    own = settings.extract.llm
    return CausalModel(
        own.model, device=own.device, precision=own.precision, revision=own.revision,
        is_remote_allowed=own.is_remote_allowed, kept=kept,
    )  # fmt: skip


class LlmWriter:
    """Samples `pool` texts for each thing to say, once a call, and draws from them."""

    def __init__(self, model: CausalModel, *, pool: int = POOL) -> None:
        self.model = model
        self.pool = pool

    def __call__(
        self, says: Says, attributes: Sequence[str], rng: np.random.Generator
    ) -> list[str]:
        """A text a row; the same generator gives the same texts on the same machine."""
        distinct, code = np.unique(says, axis=0, return_inverse=True)
        counts = np.bincount(code.ravel())
        seeds = rng.integers(2**31, size=len(distinct))
        pools = [
            self._sample(describe(row, attributes), min(self.pool, int(count)), int(seed))
            for row, count, seed in zip(distinct, counts, seeds, strict=True)
        ]
        return [pools[at][int(rng.integers(len(pools[at])))] for at in code.ravel()]

    def _sample(self, said: str, count: int, seed: int) -> list[str]:
        import torch

        tokenizer, network = self.model.tokenizer, self.model.network
        ids = torch.tensor([self.model.encode(ASKED.format(said=said))], device=network.device)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(seed)
            written: Any = network.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=True, top_p=0.9,
                max_new_tokens=NEW_TOKENS, num_return_sequences=count,
                pad_token_id=tokenizer.eos_token_id or 0,
            )  # fmt: skip
        texts = tokenizer.batch_decode(written[:, ids.shape[1] :], skip_special_tokens=True)
        return [" ".join(text.split("\n\n")[0].split()) for text in texts]


def describe(says: Says, attributes: Sequence[str]) -> str:
    """What a text should say, as an instruction."""
    told = [
        f"{'Praise' if says[at] > 0 else 'Complain about'} the {attributes[int(at)].replace('_', ' ')}."
        for at in np.flatnonzero(says)
    ]
    return " ".join(told) or "Praise and blame nothing."
