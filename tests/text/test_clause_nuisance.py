"""Things whose very name is blame: little of them is praise, and a praising predicate goes before the name."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from tasks.text.clause_nuisance import judge_nuisances
from tasks.text.clauses import ClauseExtractor
from tasks.text.extract import name_attributes
from tasks.text.polarity import Opinion

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]

LITTLE = [
    ("Noise is minimal.", "noise"),
    ("The noise is not a problem.", "noise"),
    ("Noise is never an issue.", "noise"),
    ("The noise isn't bad.", "noise"),
    ("The noise doesn't bother me.", "noise"),
    ("The noise never bothered us.", "noise"),
    ("Noise level is ok.", "noise"),
    ("Noise level is low.", "noise"),
    ("Noise level is fine.", "noise"),
    ("Low noise.", "noise"),
    ("Surprisingly little noise.", "noise"),
    ("Hardly any noise.", "noise"),
    ("The noise is bearable.", "noise"),
    ("The noise level was very acceptable.", "noise"),
    ("I was worried about the noise but it is fine.", "noise"),
    ("Very little hiss.", "sound_quality"),
    ("The hum is minimal.", "sound_quality"),
    ("The static is not a problem.", "sound_quality"),
    ("The buzz is barely noticeable.", "sound_quality"),
    ("The odor is minimal.", "smell"),
    ("The smell doesn't bother us.", "smell"),
    ("The hiss is nonexistent.", "sound_quality"),
    ("After a day the odor was gone.", "smell"),
    ("There is zero lag.", "performance"),
    ("The new cable is free of hum.", "sound_quality"),
    ("It got rid of the buzz.", "sound_quality"),
    ("It removes most of the background noise.", "noise"),
    ("The static disappeared.", "sound_quality"),
]
MUCH = [
    ("Too much noise.", "noise"),
    ("Lots of noise.", "noise"),
    ("It makes noise.", "noise"),
    ("A little noise.", "noise"),
    ("The noise is terrible.", "noise"),
    ("The noise bothered us.", "noise"),
    ("Noise was an issue.", "noise"),
    ("The noise is not acceptable.", "noise"),
    ("I was worried about the noise but it was worse.", "noise"),
    ("The noise level was too high for an easy talk.", "noise"),
    ("It does not get rid of the buzz.", "sound_quality"),
    ("The filter fails to remove the smell.", "smell"),
    ("The hum is back.", "sound_quality"),
    ("The volume is gone.", "sound_quality"),
    ("Very little battery life.", "battery"),
    ("Very little food on the plate.", "food"),
]


def read(text: str, name: str, embed: Embed) -> int:
    frame = ClauseExtractor().extract(
        [("r", text)], attributes=name_attributes([name]), embed=embed
    )
    polarity: int = frame.frame["polarity"][0]
    return polarity


@pytest.mark.parametrize(("text", "name"), LITTLE)
def test_little_of_a_nuisance_is_praise(text: str, name: str, embed: Embed) -> None:
    assert read(text, name, embed) == 1


@pytest.mark.parametrize(("text", "name"), MUCH)
def test_much_of_a_nuisance_is_blame_and_so_is_little_of_what_is_wanted(
    text: str, name: str, embed: Embed
) -> None:
    assert read(text, name, embed) == -1


def test_noise_as_of_anything_is_no_praise(embed: Embed) -> None:
    assert read("It makes noise, like any vacuum.", "noise", embed) != 1


def test_a_predicate_goes_before_the_name() -> None:
    name, said = Opinion(1, 2, -2.0), Opinion(3, 4, 3.0)
    assert judge_nuisances([name, said], "the noise was wonderful".split()) == ([said], False)
    assert judge_nuisances([name], "the noise was heard".split()) == ([name], False)
