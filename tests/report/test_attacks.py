"""What the page says of attackers."""

import json
from typing import Any

from tasks.report.attack_rows import AttackBook, gather_attacks
from tasks.report.attacks import view_attacks
from tasks.report.render import render_html
from tests.report.conftest import make_night
from tests.report.page import Page


def make_attack(**changes: Any) -> dict[str, Any]:
    return {
        "source": "shop", "surface": "behaviour", "attack": "fake-reviews", "target": "effects",
        "subject": "price", "share": 0.01, "measure": "negative_to_positive", "clean": 0.45,
        "attacked": 0.12, "shift": -16.5, "clean_verdict": "credible", "attacked_verdict": "weak",
        "is_sign_flipped": False, "is_verdict_flipped": True, "smallest_share": 0.0285,
        "looked_to": 0.16, "attempted": 1, "succeeded": 1, "failed": 0, "skipped": 0,
        "skip_reason": None, "queries": None, "seed": 0, "detail": "{}", **changes,
    }  # fmt: skip


def make_defence(**changes: Any) -> dict[str, Any]:
    return {
        "source": "shop", "attack": "fake-reviews", "target": "effects", "subject": "price",
        "defence": "flagged rows left out", "auc": 0.98, "clean": 0.45, "attacked": 0.12,
        "defended": 0.44, "is_back": True, **changes,
    }  # fmt: skip


def make_flagged(user: str = "u<b>1") -> dict[str, Any]:
    note = {
        "user_id": user,
        "score": 3.1,
        "reviews": 4,
        "mean_rating": 5.0,
        "reasons": ["item burst +8.0"],
    }
    return {"source": "shop", "outcome": "flagged", "note": json.dumps(note)}


def gather(*attacks: Any, defences: Any = (), examples: Any = ()) -> AttackBook:
    return gather_attacks(
        [{"attacks": attacks, "defences": list(defences)}, {"attack_examples": list(examples)}]
    )


def test_the_conclusion_that_falls_first_is_told() -> None:
    rows = (make_attack(), make_attack(subject="shipping", smallest_share=0.0034))
    (view,) = view_attacks(make_night(attacks=gather(*rows)))
    assert view.sentence == (
        "Two attacks tried this week, 2 succeeded, 0 skipped. The conclusion that falls first is that "
        "on shipping: 0.34% of fake reviews (fake-reviews) change its verdict."
    )


def test_damage_and_defence_stand_in_one_row() -> None:
    html = render_html(make_night(attacks=gather(make_attack(), defences=[make_defence()])))
    row = html.split('id="attacks-1"')[1].split("</table>")[0].split("price")[1]
    for words in ("+0.45", "+0.12", "credible", "→", "weak", "2.85%", "+0.44, back inside", "0.98"):
        assert words in row


def test_an_attack_that_flips_nothing_says_how_far_it_was_tried() -> None:
    row = make_attack(smallest_share=None, is_verdict_flipped=False)
    assert "none up to 16%" in render_html(make_night(attacks=gather(row)))


def test_a_skipped_attack_has_its_reason_and_no_numbers() -> None:
    row = make_attack(
        attempted=0, succeeded=0, skipped=1, skip_reason="there is no result to attack", clean=None,
        attacked=None, shift=None, smallest_share=None,
    )  # fmt: skip
    page = Page(render_html(make_night(attacks=gather(row)))).text
    assert "skipped: there is no result to attack" in page
    assert "tried this week, 0 succeeded, 1 skipped." in page


def test_accounts_to_judge_are_escaped_and_capped() -> None:
    examples = [make_flagged(), *(make_flagged(f"u{k}") for k in range(30))]
    html = render_html(make_night(attacks=gather(make_attack(), examples=examples)))
    assert "u<b>1" not in html
    assert "Showing 10 of 31" in Page(html).text
    assert "item burst +8.0" in Page(html).text


def test_a_night_without_attacks_says_so() -> None:
    assert "no attack was tried this week" in Page(render_html(make_night())).text
