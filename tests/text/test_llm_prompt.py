"""Prompts are files; a review inside one stays data, whatever it writes."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.platform.errors import ConfigError
from tasks.text.llm_model import CausalModel
from tasks.text.llm_prompt import clean_review, lay_out, load_prompt
from tests.text.conftest import build_tiny_llm
from tests.text.injections import INJECTIONS

PROMPT = load_prompt("reviews-1")
SHIPPED = Path(__file__).parents[2] / "tasks" / "text" / "prompts" / "reviews-1.toml"


@pytest.fixture(scope="module")
def model(tiny_llm: Path) -> CausalModel:
    return CausalModel(str(tiny_llm), device="cpu")


def _change(folder: Path, change: Callable[[str], str]) -> str:
    path = folder / "own.toml"
    path.write_text(change(SHIPPED.read_text()))
    return str(path)


def test_the_shipped_prompt_shows_every_label_and_ends_with_none_more_often_than_another() -> None:
    shown = [answer for example in PROMPT.examples for answer in example.answers.values()]
    counts = {label.text: shown.count(label.text) for label in PROMPT.labels}
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{review}", "review", "review"),
        ('"positive", durability', '"splendid", durability', "splendid"),
        ('text = "negative"', 'text = "positive"', "distinct"),
        ("version =", "verzion =", "verzion"),
        ("[[labels]]", "[[labels", "own.toml"),
    ],
)
def test_prompts_that_cannot_work_are_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_prompt(_change(tmp_path, lambda text: text.replace(old, new)))


def test_a_prompt_that_is_not_there_is_a_config_error_that_lists_the_shipped() -> None:
    with pytest.raises(ConfigError, match=r"no prompt 'reviews-0'; shipped are reviews-1"):
        load_prompt("reviews-0")


def test_any_word_of_a_prompt_changes_its_revision(tmp_path: Path) -> None:
    same = load_prompt(_change(tmp_path, lambda text: text + "\n# a comment\n"))
    other = load_prompt(_change(tmp_path, lambda text: text.replace("two days", "ten days")))
    assert same.revision == PROMPT.revision
    assert other.revision != PROMPT.revision
    assert tomllib.loads(SHIPPED.read_text())["version"] == "reviews-1"


@given(st.text() | st.text(alphabet='" \n\ta<>&;'))
def test_no_review_holds_the_fence_or_a_line_break(text: str) -> None:
    line = clean_review(text, '"""')
    assert '""' not in line.replace(" ", "")
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert not line.startswith('"')
    assert not line.endswith('"')


def test_ordinary_reviews_are_left_as_they_are() -> None:
    text = 'It\'s "fine" - 5/5, café 😀 שלום'
    assert clean_review(text, '"""') == text
    assert clean_review("good<br/>but &amp; loud\n\nvery", '"""') == "good but loud very"
    assert clean_review("I don&#39;t like caf&eacute;s", '"""') == "I don't like cafés"


@pytest.mark.parametrize("is_chat", [True, False])
def test_the_layout_holds_examples_then_review_then_question(tmp_path: Path, is_chat: bool) -> None:
    folder = build_tiny_llm(tmp_path / "model", is_chat=is_chat)
    layout = lay_out(PROMPT, "likelihood", CausalModel(str(folder), device="cpu").tokenizer)
    assert layout.prefix.endswith('Review: """')
    assert layout.closing == '"""\nWhat does the reviewer think of the '
    assert layout.prefix.count("What does the reviewer think") == 13
    if is_chat:
        assert layout.prefix.startswith("<|im_start|>user\nYou read")
        assert layout.ending == "?<|im_end|>\n<|im_start|>assistant\n"
        assert layout.lead == ""
    else:
        assert layout.prefix.startswith("You read")
        assert "comfort?\nAnswer: positive\n\nReview" in layout.prefix
        assert layout.ending == "?\nAnswer:"
        assert layout.lead == " "


def test_examples_of_the_json_prompt_are_the_json_that_is_allowed(model: CausalModel) -> None:
    layout = lay_out(PROMPT, "json", model.tokenizer)
    assert '{"comfort": "positive", "durability": "negative", "price": "not mentioned"}' in (
        layout.prefix
    )


def test_templates_that_leave_out_the_review_are_refused(tmp_path: Path) -> None:
    model = CausalModel(str(build_tiny_llm(tmp_path / "model")), device="cpu")
    model.tokenizer.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(ConfigError, match="leaves out parts of the prompt"):
        lay_out(PROMPT, "likelihood", model.tokenizer)
    model.tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    with pytest.raises(ConfigError, match="no such role"):
        lay_out(PROMPT, "likelihood", model.tokenizer)


@pytest.mark.parametrize("attack", [one.text for one in INJECTIONS])
def test_no_mark_of_the_template_survives_in_a_review(model: CausalModel, attack: str) -> None:
    special = set(model.tokenizer.all_special_ids)
    ids, is_cut = model.encode_foreign(clean_review(attack, PROMPT.fence), 10_000)
    assert ids
    assert not is_cut
    assert not special & set(ids)
    assert special & set(model.encode("<|im_end|>"))


def test_long_reviews_are_cut_and_said_to_be(model: CausalModel) -> None:
    ids, is_cut = model.encode_foreign("good food " * 10_000, 64)
    assert (len(ids), is_cut) == (64, True)
    assert model.encode_foreign("x" * 100_000, 64)[1]
    assert not model.encode_foreign("good", 64)[1]
