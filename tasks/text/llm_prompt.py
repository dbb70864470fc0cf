"""What a language model is asked: versioned prompt files, laid out for one tokenizer.

The instruction and the worked examples come first and are the same for every review, then the
review, then the question about one attribute: whatever is shared stands before what is not.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.platform.errors import ConfigError
from tasks.text.letters import drop_widthless
from tasks.text.segments import blank_markup

Mode = Literal["likelihood", "json"]
Message = dict[str, str]

DEFAULT_PROMPT: Final = "reviews-1"
_REVIEW: Final = "@@REVIEW@@"
_ASKED: Final = "@@ASKED@@"
_TEMPLATE_VALUES: Final = {"date_string": "1 Jan 2024", "enable_thinking": False}
"""Some templates write today's date, which would change answers by the day, or open with thoughts."""
_BLANKS: Final = re.compile(r"\s+")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(_Part):
    """One allowed answer, and what it means."""

    text: str = Field(min_length=1, pattern=r"^[^\s\"\\][^\"\\\n]*$")
    is_mentioned: bool
    polarity: Literal[-1, 0, 1]


class Example(_Part):
    """A review and the right answers about some attributes of it."""

    review: str
    answers: dict[str, str] = Field(min_length=1)


class Prompt(_Part):
    """A prompt file; see `prompts/reviews-1.toml` for what each part is."""

    version: str
    fence: str = Field(min_length=3)
    instruction: str
    json_instruction: str
    review: Annotated[str, Field(pattern=r"\{review\}")]
    question: Annotated[str, Field(pattern=r"\{attribute\}")]
    json_question: Annotated[str, Field(pattern=r"\{attributes\}")]
    answer: str
    content_free: tuple[str, ...] = Field(min_length=1)
    labels: tuple[Label, ...] = Field(min_length=2)
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _examples_use_the_labels(self) -> "Prompt":
        allowed = {label.text for label in self.labels}
        if len(allowed) != len(self.labels):
            raise ValueError("labels must be distinct")
        used = {answer for example in self.examples for answer in example.answers.values()}
        if used - allowed:
            raise ValueError(f"examples answer {sorted(used - allowed)}, allowed {sorted(allowed)}")
        return self

    @property
    def revision(self) -> str:
        """16 hex digits that change with any part of the prompt."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def fence_in(self, text: str) -> str:
        """A review as one line between two fences, neither of which can occur in it.

        Markup, addresses and control characters are blanked, every run of blanks (line breaks
        among them) is one space, and the fence's characters lose their repetitions.
        """
        return f"{self.fence}{clean_review(text, self.fence)}{self.fence}"


@dataclass(frozen=True)
class Layout:
    """A prompt as text around what differs between questions.

    The whole is `prefix`, the review's words, `closing`, what is asked, `ending`; a label follows
    after `lead`.
    """

    prefix: str
    closing: str
    ending: str
    lead: str


def load_prompt(name: str) -> Prompt:
    """The shipped prompt called `name`, else the TOML file of that path; raises ConfigError."""
    file = Path(name).expanduser()
    packaged = resources.files("tasks.text") / "prompts"
    known = sorted(p.name.removesuffix(".toml") for p in packaged.iterdir() if ".toml" in p.name)
    try:
        if name in known:
            text = (packaged / f"{name}.toml").read_text(encoding="utf-8")
        elif file.is_file():
            text = file.read_text(encoding="utf-8")
        else:
            raise ConfigError(
                f"there is no prompt {name!r}; shipped are {', '.join(known)}, or name a TOML file"
            )
        return Prompt(**tomllib.loads(text))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"prompt {name} is not usable: {error}") from error


def clean_review(text: str, fence: str) -> str:
    """`text` as one line without markup and without anything that reads as `fence`."""
    line = _BLANKS.sub(" ", drop_widthless(blank_markup(text))).strip()
    for character in dict.fromkeys(fence):
        line = re.sub(
            re.escape(character) + r"(?:\s?" + re.escape(character) + ")+", character, line
        )
    # Without a mark of the fence at its ends, the text cannot lengthen the fence either.
    return line.strip(fence + " ")


def lay_out(prompt: Prompt, mode: Mode, tokenizer: Any) -> Layout:
    """The prompt for a tokenizer: in its chat template when it has one, else as plain text.

    Raises ConfigError when the chat template cannot hold the prompt.
    """
    turns = _list_turns(prompt, mode)
    if getattr(tokenizer, "chat_template", None):
        whole = _apply_template(turns, tokenizer)
    else:
        whole = "\n\n".join(
            f"{asked}{prompt.answer} {answered}".rstrip() for asked, answered in turns
        )
    parts = re.split(f"{_REVIEW}|{_ASKED}", whole)
    if len(parts) != 3:
        raise ConfigError(
            "the model's chat template leaves out parts of the prompt; use another model, or one "
            "without a chat template"
        )
    lead = "" if getattr(tokenizer, "chat_template", None) else " "
    return Layout(parts[0], parts[1], parts[2], lead)


def name_attribute(name: str) -> str:
    """An attribute as a person would write it."""
    return name.replace("_", " ")


def write_answers(answers: Mapping[str, str]) -> str:
    """Answers as the one form of JSON that is asked for and allowed."""
    return json.dumps(dict(answers), ensure_ascii=False)


def _list_turns(prompt: Prompt, mode: Mode) -> list[tuple[str, str]]:
    """What is asked and answered, turn by turn; the last is open and holds the marks."""
    opening = prompt.instruction if mode == "likelihood" else prompt.json_instruction
    opening = opening.strip().replace("{labels}", ", ".join(x.text for x in prompt.labels))
    turns: list[tuple[str, str]] = []
    for example in prompt.examples:
        review = prompt.review.replace("{review}", prompt.fence_in(example.review))
        if mode == "json":
            turns.append((review + _ask(prompt, list(example.answers)), _show(example.answers)))
            continue
        for name, answer in example.answers.items():
            question = prompt.question.replace("{attribute}", name_attribute(name))
            turns.append((review + question, answer))
    marked = prompt.review.replace("{review}", f"{prompt.fence}{_REVIEW}{prompt.fence}")
    last = prompt.question if mode == "likelihood" else prompt.json_question
    turns.append((marked + re.sub(r"\{attributes?\}", _ASKED, last), ""))
    return [(f"{opening}\n\n{turns[0][0]}", turns[0][1]), *turns[1:]]


def _ask(prompt: Prompt, names: Sequence[str]) -> str:
    return prompt.json_question.replace("{attributes}", ", ".join(map(name_attribute, names)))


def _show(answers: Mapping[str, str]) -> str:
    return write_answers({name_attribute(name): answer for name, answer in answers.items()})


def _apply_template(turns: Sequence[tuple[str, str]], tokenizer: Any) -> str:
    """Turns in a chat template; no system role, which not every template knows."""
    messages: list[Message] = []
    for asked, answered in turns:
        messages.append({"role": "user", "content": asked})
        if answered:
            messages.append({"role": "assistant", "content": answered})
    try:
        return str(
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **_TEMPLATE_VALUES
            )
        )
    except Exception as error:  # a template raises whatever it likes
        raise ConfigError(f"the model's chat template failed: {error}") from error
