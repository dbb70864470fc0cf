"""The peer's side of `bench_text_attacks`: TextAttack 0.3.11, run by the Python it is installed for.

Reads one JSON object a line ({"task": "attack"} or {"task": "check", "texts": [...]}) and answers
each with one line. Its victim is the same encoder and logistic regression, by torch in float32.
"""

import json
import sys
import time

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer


def main() -> None:
    """Serve until the input ends."""
    setting = json.loads(sys.stdin.readline())
    torch.set_num_threads(setting["threads"])
    victim = make_victim(setting)
    attack, dataset = make_attack(setting, victim)
    victim(setting["texts"][:8])
    say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        if order["task"] == "check":
            say({"shares": np.asarray(victim(order["texts"])).tolist()})
        else:
            say(run(attack, dataset))


def say(document: dict) -> None:
    """One line of the answer, apart from what TextAttack prints."""
    print("@@" + json.dumps(document), flush=True)


def make_victim(setting: dict):
    """Mean-pooled unit vectors and a logistic regression, as a TextAttack model wrapper."""
    from textattack.models.wrappers import ModelWrapper

    tokenizer = AutoTokenizer.from_pretrained(setting["model"], local_files_only=True)
    network = AutoModel.from_pretrained(setting["model"], local_files_only=True).eval()
    weights = np.array(setting["weights"])

    class Victim(ModelWrapper):
        model = network

        def __call__(self, texts):
            shares = []
            for at in range(0, len(texts), 32):
                rows = tokenizer(
                    texts[at : at + 32], padding=True, truncation=True, max_length=256,
                    return_tensors="pt",
                )  # fmt: skip
                with torch.inference_mode():
                    hidden = network(**rows).last_hidden_state
                mask = rows["attention_mask"][..., None].float()
                pooled = (hidden * mask).sum(1) / mask.sum(1)
                vectors = torch.nn.functional.normalize(pooled, dim=1).numpy()
                p = 1 / (1 + np.exp(-(vectors @ weights + setting["bias"])))
                shares += np.column_stack([1 - p, p]).tolist()
            return shares

    return Victim()


def make_attack(setting: dict, victim):
    """Deletion-ranked greedy swaps of neighbouring characters, under the constraints of the bench."""
    import textattack
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import (
        RepeatModification,
        StopwordModification,
    )
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations import WordSwapNeighboringCharacterSwap

    constraints = [
        RepeatModification(),
        StopwordModification(stopwords=set(setting["stop_words"])),
        MaxWordsPerturbed(max_num_words=setting["most_words"]),
    ]
    attack = textattack.Attack(
        UntargetedClassification(victim),
        constraints,
        WordSwapNeighboringCharacterSwap(
            random_one=True, skip_first_char=False, skip_last_char=False
        ),
        GreedyWordSwapWIR(wir_method="delete"),
    )
    rows = list(zip(setting["texts"], setting["labels"], strict=True))
    return attack, textattack.datasets.Dataset(rows)


def run(attack, dataset) -> dict:
    """One run over all texts: seconds, questions, and what came of each."""
    from textattack import AttackArgs, Attacker
    from textattack.attack_results import (
        FailedAttackResult,
        SkippedAttackResult,
        SuccessfulAttackResult,
    )

    attack.clear_cache()
    arguments = AttackArgs(
        num_examples=len(dataset), disable_stdout=True, silent=True, random_seed=7
    )
    start, busy = time.perf_counter(), time.process_time()
    results = Attacker(attack, dataset, arguments).attack_dataset()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    won = [one for one in results if isinstance(one, SuccessfulAttackResult)]
    changed = [
        len(one.original_result.attacked_text.all_words_diff(one.perturbed_result.attacked_text))
        for one in won
    ]
    return {
        "seconds": seconds,
        "busy": busy,
        "queries": sum(one.num_queries for one in results),
        "succeeded": len(won),
        "failed": sum(isinstance(one, FailedAttackResult) for one in results),
        "skipped": sum(isinstance(one, SkippedAttackResult) for one in results),
        "changed_words": float(np.mean(changed)) if changed else None,
    }


if __name__ == "__main__":
    main()
