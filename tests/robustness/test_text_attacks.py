"""Text attacks on a toy whose weak words are known: broken by each, in the expected questions."""

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.platform.errors import InputError
from tasks.robustness.text.constraints import EditShare, Fluent, Guard, LabelsKept, Similar
from tasks.robustness.text.generated import BackTranslate, Paraphrase
from tasks.robustness.text.goal import Become, Differ, StayPut
from tasks.robustness.text.outcome import Outcome, summarise
from tasks.robustness.text.rewrites import Inject, Negate, Opposites, SwapIdentity
from tasks.robustness.text.run import Attack, Limits, run_attack
from tasks.robustness.text.search import GreedyWords, TryAll
from tasks.robustness.text.typos import Keyboard, Misspell, Substitute, SwapNeighbours
from tasks.robustness.text.victim import PROBES
from tasks.robustness.text.words import split_words
from tests.robustness.toy import Constant, Toy

TEXT = "The food was good and the room was small."
"""Three words that are no stop words besides the weak one."""
CHANGES = [
    SwapNeighbours(),
    Keyboard(),
    Misspell(),
    Substitute({"good": ("fine", "nice"), "food": ("meal",), "room": ("hall",)}),
]


def attack_toy(attack: Attack, texts: Sequence[str], **options: object) -> Outcome:
    return run_attack(attack, Toy(), texts, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_each_word_attack_breaks_the_toy_at_its_weak_word_in_the_expected_questions(change) -> None:
    search = GreedyWords(change, block=1, draws=1)
    outcome = attack_toy(Attack("one", search), [TEXT])
    (attempt,) = outcome.attempts
    assert attempt.status == "succeeded"
    assert attempt.n_changed_words == 1
    assert "good" not in str(attempt.perturbed)
    assert str(attempt.perturbed).startswith("The food was ")
    n_words = sum(bool(change.variants(word)) for word in ("food", "good", "room", "small"))
    # the text itself, each word alone, and the weak word in one other form
    assert attempt.n_queries == 1 + n_words + 1
    assert outcome.n_queries == attempt.n_queries + len(PROBES)


def test_ranking_by_deletion_asks_for_the_text_without_each_word() -> None:
    toy = Toy()
    search = GreedyWords(SwapNeighbours(), ranking="deletion", block=1, draws=1)
    outcome = run_attack(Attack("swaps", search), toy, [TEXT])
    assert outcome.attempts[0].n_queries == 1 + 4 + 1
    assert "The food was and the room was small." in toy.asked


def test_words_that_texts_share_are_asked_about_once() -> None:
    search = GreedyWords(SwapNeighbours(), block=1, draws=1)
    texts = [TEXT, "The small room was good food."]
    outcome = attack_toy(Attack("swaps", search), texts)
    # probes, two texts, four words, and each text in another form
    assert outcome.n_queries == len(PROBES) + 2 + 4 + 2
    assert [attempt.n_queries for attempt in outcome.attempts] == [6, 2]


def test_all_texts_under_attack_are_asked_about_in_one_batch_a_round() -> None:
    one, many = Toy(), Toy()
    search = GreedyWords(SwapNeighbours(), block=1, draws=1)
    run_attack(Attack("swaps", search), one, [TEXT])
    run_attack(
        Attack("swaps", search), many, [f"The {w} was good." for w in ("soup", "fish", "tea")]
    )
    assert many.n_batches == one.n_batches


def test_a_constant_model_is_skipped_with_the_reason_and_never_called_robust() -> None:
    outcome = run_attack(
        Attack("swaps", GreedyWords(SwapNeighbours())), Constant(), [TEXT, "It was bad."]
    )
    summary = summarise(outcome)
    assert summary["attempted"] == 0
    assert summary["success_rate"] is None
    assert summary["skipped"] == {"constant model: it answers 'positive' to everything": 2}


def test_one_text_or_texts_of_one_label_do_not_make_a_reading_model_constant() -> None:
    search = GreedyWords(SwapNeighbours())
    assert attack_toy(Attack("swaps", search), [TEXT]).attempts[0].status == "succeeded"


def test_attempted_skipped_and_left_over_add_up_to_the_texts() -> None:
    texts = [TEXT, "", "It was bad.", "good " * 40, "It was it.", "The soup was great."]
    truths = [1, 1, 1, 1, 0, 1]
    outcome = attack_toy(
        Attack("swaps", GreedyWords(SwapNeighbours(), most_words=2)), texts, truths=truths
    )
    summary = summarise(outcome)
    assert [a.status for a in outcome.attempts] == [
        "succeeded", "skipped", "skipped", "failed", "skipped", "succeeded",
    ]  # fmt: skip
    assert summary["skipped"] == {
        "no text": 1,
        "nothing in it that this attack changes": 1,
        "read wrongly before any attack": 1,
    }
    assert (summary["attempted"], summary["texts"]) == (3, 6)
    assert summary["success_rate"] == pytest.approx(2 / 3, abs=1e-4)
    assert summary["ci_low"] < 2 / 3 < summary["ci_high"]


def test_the_budget_is_never_exceeded_and_what_is_left_over_is_named() -> None:
    texts = [f"The {word} was good." for word in ("soup", "fish", "tea", "rice")]
    search = GreedyWords(SwapNeighbours(), block=1, draws=1)
    whole = attack_toy(Attack("swaps", search), texts)
    for budget in range(whole.n_queries + 1):
        outcome = attack_toy(Attack("swaps", search), texts, limits=Limits(queries=budget))
        assert outcome.n_queries <= budget
        n_probes = min(budget, len(PROBES))
        assert outcome.n_queries == n_probes + sum(a.n_queries for a in outcome.attempts)
        left = [a for a in outcome.attempts if a.status == "not_attempted"]
        assert all(a.reason == "the budget ran out" for a in left)
        assert len(left) > 0 or budget == whole.n_queries
        # what there is goes to the first texts, until they are done
        assert len(left) < 4 or budget < len(PROBES) + 4 + 3
    assert summarise(whole)["not_attempted"] == {}


def test_a_text_is_given_up_when_its_own_questions_are_spent() -> None:
    search = GreedyWords(SwapNeighbours(), ranking="deletion", block=1, draws=1)
    outcome = attack_toy(Attack("swaps", search), [TEXT], limits=Limits(queries_per_text=5))
    assert outcome.attempts[0].status == "failed"
    assert outcome.refused["queries per text"] > 0
    assert outcome.attempts[0].n_queries <= 5


def test_the_same_seed_gives_the_same_texts_in_any_order_and_another_seed_others() -> None:
    texts = [f"The {word} was wonderful." for word in ("soup", "fish", "tea", "rice", "cake")]
    attack = Attack("keyboard", GreedyWords(Keyboard(), block=1, draws=1))
    found = {a.original: a.perturbed for a in attack_toy(attack, texts, seed=3).attempts}
    turned = {a.original: a.perturbed for a in attack_toy(attack, texts[::-1], seed=3).attempts}
    other = {a.original: a.perturbed for a in attack_toy(attack, texts, seed=4).attempts}
    assert found == turned
    assert found != other


def test_a_search_goes_on_until_the_confirming_model_follows_too() -> None:
    class Stubborn(Toy):
        def score(self, text: str) -> float:
            return super().score(text) + 2.0 * ("small" in text)

    attack = Attack("swaps", GreedyWords(SwapNeighbours(), block=1, draws=1))
    alone = attack_toy(attack, [TEXT]).attempts[0]
    outcome = attack_toy(attack, [TEXT], confirm=Stubborn())
    (both,) = outcome.attempts
    assert (alone.n_changed_words, both.n_changed_words) == (1, 2)
    assert "small" not in str(both.perturbed)
    # every text that reached the goal was put to the other model as well, and the original once
    assert both.n_queries == alone.n_queries + 3 + 4 + 1
    assert outcome.n_queries == both.n_queries + len(PROBES)
    assert attack_toy(attack, [TEXT], confirm=Constant()).attempts[0].status == "failed"
    for budget in range(outcome.n_queries):
        limits = Limits(queries=budget)
        assert attack_toy(attack, [TEXT], confirm=Stubborn(), limits=limits).n_queries <= budget


def test_what_the_confirming_model_reads_wrongly_anyway_is_no_success() -> None:
    class Sour(Toy):
        def score(self, text: str) -> float:
            return -1.0

    (attempt,) = attack_toy(
        Attack("swaps", GreedyWords(SwapNeighbours())), [TEXT], confirm=Sour()
    ).attempts
    assert (attempt.status, attempt.reason) == ("skipped", "read wrongly before any attack")


def test_what_the_confirming_model_answers_is_compared_with_its_own_first_answer() -> None:
    class Prejudiced(Toy):
        def score(self, text: str) -> float:
            return 3.0 if " man " in text else -3.0

    class Fair(Toy):
        def score(self, text: str) -> float:
            return 0.2

    attack = Attack("identity", TryAll(SwapIdentity()), Differ())
    text = "The man at the desk was here."
    (alone,) = run_attack(attack, Prejudiced(), [text]).attempts
    (both,) = run_attack(attack, Prejudiced(), [text], confirm=Fair()).attempts
    assert (alone.status, both.status) == ("succeeded", "failed")


def test_kept_words_and_stop_words_are_left_alone() -> None:
    search = GreedyWords(SwapNeighbours(), guard=Guard(kept=frozenset({"good"})))
    assert attack_toy(Attack("swaps", search), [TEXT]).attempts[0].status == "failed"


def test_candidates_that_break_a_constraint_are_never_asked() -> None:
    def embed(texts: Sequence[str]) -> np.ndarray:
        return np.array(
            [[1.0, 0.0] if "good" in t else [0.0, 1.0] for t in texts], dtype=np.float32
        )

    toy = Toy()
    attack = Attack("swaps", GreedyWords(SwapNeighbours()), constraints=(Similar(embed),))
    outcome = run_attack(attack, toy, [TEXT])
    assert outcome.attempts[0].status == "failed"
    assert outcome.refused["similarity"] > 0
    assert not [
        text for text in toy.asked if text.startswith("The food was") and "good" not in text
    ]


def test_constraints_tell_small_fluent_and_harmless_changes_from_others() -> None:
    ten = "one two three four five six seven eight nine ten"
    assert EditShare(0.3).passes([ten] * 2, [ten.replace("one", "on"), "one two"]).tolist() == [
        True, False,
    ]  # fmt: skip
    assert EditShare(0.1).passes(["so good"], ["so god"]).tolist() == [True]
    surprise = Fluent(lambda texts: np.array([float(len(t)) for t in texts]), most=3.0)
    assert surprise.passes(["abc", "abc"], ["abcd", "abcde"]).tolist() == [True, False]
    kept = LabelsKept(lambda texts: np.array([["service" in t] for t in texts], dtype=np.int64))
    assert kept.passes(["service ok"] * 2, ["service k", "servise ok"]).tolist() == [True, False]


def test_negation_and_opposites_show_whether_a_model_follows() -> None:
    texts = ["The food was good.", "It wasn't awful."]
    deaf = Toy(follows_not=False)
    missed = run_attack(Attack("negation", TryAll(Negate()), StayPut()), deaf, texts)
    followed = run_attack(Attack("negation", TryAll(Negate()), StayPut()), Toy(), texts[:1])
    assert missed.attempts[0].status == "succeeded"
    assert missed.attempts[0].perturbed == "The food was not good."
    assert followed.attempts[0].status == "failed"
    flipped = run_attack(Attack("flip", TryAll(Opposites()), StayPut()), Toy(), texts[:1])
    assert flipped.attempts[0].status == "failed"


def test_only_the_attribute_that_is_meant_is_turned() -> None:
    about = frozenset({"food"})
    text = "The food was good. The waiter was great! Bad food."
    assert Opposites(about).rewrite([text]) == [
        ["The food was bad. The waiter was great! Good food."]
    ]
    assert Negate(about).rewrite([text]) == [
        ["The food was not good. The waiter was great! Bad food."]
    ]
    assert Negate().rewrite(["It was not good.", "It isn't bad.", "It was red."]) == [
        ["It was good."], ["It is bad."], [],
    ]  # fmt: skip


def test_a_direction_is_only_expected_where_all_judgements_are_on_one_side() -> None:
    about = frozenset({"food"})
    texts = [
        "The food was good but cold. Bad room.",
        "The food was good. Bad room.",
        "Food was not good.",
    ]
    assert [bool(r) for r in Opposites(about, 1).rewrite(texts)] == [False, True, False]
    assert [bool(r) for r in Opposites(about, -1).rewrite(texts)] == [False, False, True]
    assert Negate(about, -1).rewrite(texts)[2] == ["Food was good."]


def test_persons_are_exchanged_with_their_pronouns_and_nothing_else() -> None:
    swap = SwapIdentity({"a": ["Emily"], "b": ["Omar", "Raj"]})
    assert swap.rewrite(["Emily said her waiter was kind to her.", "No one here."]) == [
        ["Omar said his waitress was kind to him."], [],
    ]  # fmt: skip
    biased = Toy()
    score = biased.score
    biased.score = lambda text: score(text) - 9 * ("Omar" in text)  # type: ignore[method-assign]
    outcome = run_attack(
        Attack("identity", TryAll(swap), Differ()), biased, ["Emily had good food.", "Good food."]
    )
    assert [a.status for a in outcome.attempts] == ["succeeded", "skipped"]


def test_an_order_in_a_review_moves_a_model_that_obeys() -> None:
    inject = TryAll(Inject("food", "negative"))
    hit = run_attack(Attack("injection", inject, Become(0)), Toy(obeys=True), [TEXT, "It was bad."])
    assert [a.status for a in hit.attempts] == ["succeeded", "skipped"]
    assert str(hit.attempts[0].perturbed).startswith(TEXT)
    proof = run_attack(Attack("injection", inject, Become(0)), Toy(), [TEXT])
    assert proof.attempts[0].status == "failed"


def test_paraphrases_and_translations_are_cleaned_before_they_are_asked() -> None:
    def generate(prompts: Sequence[str], n: int) -> list[list[str]]:
        assert all(TEXT in prompt for prompt in prompts)
        return [[" ", TEXT, "x" * 999, ' "We ate well there."\nReview: more']] * len(prompts)

    outcome = attack_toy(Attack("paraphrase", TryAll(Paraphrase(generate))), [TEXT])
    assert outcome.attempts[0].perturbed == "We ate well there."
    back = BackTranslate(lambda texts: [t.upper() for t in texts], lambda texts: list(texts))
    assert back.rewrite([TEXT]) == [[]]
    outcome = attack_toy(Attack("back-translation", TryAll(back)), [TEXT])
    assert outcome.attempts[0].status == "skipped"


def test_labels_must_fit_the_texts() -> None:
    with pytest.raises(InputError, match="give one each"):
        attack_toy(Attack("swaps", GreedyWords(SwapNeighbours())), [TEXT], truths=[])


def test_only_changes_that_help_are_kept() -> None:
    change = Substitute({"good": ("great",), "great": ("fine",), "soup": ("awful",)})
    search = GreedyWords(change, block=1, draws=1)
    (attempt,) = attack_toy(Attack("one", search), ["The good soup was great."]).attempts
    assert attempt.perturbed == "The good awful was fine."


def test_a_search_that_gets_nowhere_is_given_up() -> None:
    plain = [f"wor{chr(97 + n)}d" for n in range(12)]
    search = GreedyWords(SwapNeighbours(), Guard(kept=frozenset({"great"})), block=1, draws=1)
    (attempt,) = attack_toy(Attack("one", search), ["great " + " ".join(plain)]).attempts
    assert attempt.status == "failed"
    assert attempt.n_queries == 1 + 12 + 4


@pytest.mark.parametrize(("lean", "status"), [(2.0, "succeeded"), (0.2, "failed")])
def test_a_model_that_leans_by_name_differs_before_its_label_does(lean: float, status: str) -> None:
    swap = SwapIdentity({"a": ["Emily"], "b": ["Omar"]})
    leaning = Toy()
    score = leaning.score
    leaning.score = lambda text: score(text) - lean * ("Omar" in text)  # type: ignore[method-assign]
    outcome = run_attack(Attack("identity", TryAll(swap), Differ()), leaning, ["Emily: great."])
    assert outcome.attempts[0].status == status


def test_accents_behind_their_letters_part_no_word() -> None:
    words = split_words("The de\u0301cor of a cafe\u0301, gre\u0301at")
    assert [words.word(at) for at in range(len(words))] == [
        "The",
        "décor",
        "of",
        "a",
        "café",
        "gréat",
    ]
    assert words.change({1: "look"}) == "The look of a cafe\u0301, gre\u0301at"
