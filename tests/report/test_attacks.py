"""What the page says of attackers."""

import json
from typing import Any

from tasks.report.attack_rows import AttackBook, gather_attacks
from tasks.report.attacks import AttacksView, view_attacks
from tasks.report.limits import MAX_BYTES
from tasks.report.render import render_html, render_json
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


def make_flagged(user: str = "u<b>1", **more: Any) -> dict[str, Any]:
    note = {
        "user_id": user,
        "score": 3.1,
        "reviews": 4,
        "mean_rating": 5.0,
        "reasons": ["item burst +8.0"],
        **more,
    }
    return {"source": "shop", "outcome": "flagged", "note": json.dumps(note)}


def gather(*attacks: Any, defences: Any = (), examples: Any = ()) -> AttackBook:
    return gather_attacks(
        [{"attacks": attacks, "defences": list(defences)}, {"attack_examples": list(examples)}]
    )


def look_at(book: AttackBook) -> tuple[AttacksView, ...]:
    return view_attacks(make_night(attacks=book), book)


def test_a_sweep_of_many_attributes_and_sources_leaves_the_page_small_and_its_counts_whole() -> (
    None
):
    text = {"surface": "text", "target": "extractor", "attempted": 12, "is_verdict_flipped": None}
    names = [(f"shop {at % 5}", f"attribute {at // 5}") for at in range(600)]
    rows = [make_attack(source=source, subject=name, **text) for source, name in names]
    examples = [
        {"source": source, "attack": "swaps", "subject": name, "outcome": "failed",
         "before_text": "before " * 99, "after_text": "after " * 99}
        for source, name in names * 2
    ]  # fmt: skip
    turned = make_attack(source="shop 4", subject="the one that turns")
    flagged = [{**make_flagged(f"u{at}"), "source": f"shop {at % 5}"} for at in range(6_000)]
    bare = dict.fromkeys(
        ("effects", "positions", "refutations", "segments", "trends", "graphs", "attributes"), ()
    )
    book = gather(*rows, turned, examples=[*examples, *flagged])
    night = make_night(attacks=book, **bare)
    content, html = render_json(night), render_html(night)
    assert max(len(content.encode()), len(html.encode())) < MAX_BYTES
    said = Page(html).text
    assert "Showing 400 of 601 attacks, the most urgent first" in said
    assert "the one that turns" in said
    assert "121 attacks tried this week" in said
    assert "Showing 10 of 1,200" in said, "accounts are counted whole"
    assert {cap["section"] for cap in json.loads(content)["capped"]} >= {
        "attacks", "attacked texts", "accounts that look fake",
    }  # fmt: skip


def test_the_conclusion_that_falls_first_is_told() -> None:
    rows = (make_attack(), make_attack(subject="shipping", smallest_share=0.0034))
    (view,) = look_at(gather(*rows))
    assert view.sentence == (
        "Two attacks tried this week, 2 succeeded, 0 skipped. The conclusion that falls first is that "
        "on shipping: 0.34% of fake reviews (fake-reviews) change its verdict."
    )


def test_damage_and_defence_stand_in_one_row() -> None:
    html = render_html(make_night(attacks=gather(make_attack(), defences=[make_defence()])))
    row = html.split('id="attacks-1"')[1].split("</table>")[0].split("price")[1]
    for words in ("+0.45", "+0.12", "credible", "→", "weak", "2.85%", "+0.44, back inside", "0.98"):
        assert words in row


def test_a_flip_between_two_credible_effects_says_what_flipped() -> None:
    row = make_attack(attacked=0.02, attacked_verdict="credible")
    html = render_html(make_night(attacks=gather(row)))
    assert "credible → credible" not in html
    assert "but only one of the two is told from 0" in html
    turned = make_attack(attacked=-0.2, attacked_verdict="credible", is_sign_flipped=True)
    page = render_html(make_night(attacks=gather(turned)))
    assert "the sign flips" in page
    assert "only one of the two" not in page


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


def test_accounts_that_were_not_listed_are_counted() -> None:
    examples = [make_flagged(f"u{k}", n_flagged=3_000) for k in range(50)]
    html = render_html(make_night(attacks=gather(make_attack(), examples=examples)))
    assert "Showing 10 of 3,000" in Page(html).text


def test_a_night_without_attacks_says_so() -> None:
    assert "no attack was tried this week" in Page(render_html(make_night())).text


def make_text_attack(**changes: Any) -> dict[str, Any]:
    curve = {"curve": [[1.0, 0.25], [2.0, 0.5]], "size_name": "words changed",
             "damage_name": "share read otherwise"}  # fmt: skip
    return make_attack(
        surface="text", attack="swaps", target="extractor", share=None, measure="flip_rate",
        clean=None, attacked=0.5, shift=None, clean_verdict=None, attacked_verdict=None,
        is_sign_flipped=None, is_verdict_flipped=None, smallest_share=None, looked_to=None,
        attempted=4, succeeded=2, failed=2, skipped=7, not_attempted=1, queries=80,
        skip_reason="7 it says neither praise nor blame of it; 1 not attempted: the budget ran out",
        detail=json.dumps(curve), **changes,
    )  # fmt: skip


def make_previous(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**row, "as_of": "2024-03-09", **changes}


def compare(row: dict[str, Any], **before: Any) -> str:
    book = gather_attacks([{"attacks": [row], "previous": [make_previous(row, **before)]}])
    (view,) = look_at(book)
    (attempt,) = (*view.effects, *view.others, *view.readers)
    return f"{attempt.change.word}: {attempt.change.sentence}"


def test_a_conclusion_that_takes_more_fakes_than_last_week_is_better() -> None:
    row = make_attack(smallest_share=0.02)
    assert compare(row, smallest_share=0.01) == "better: 2.00%, was 1.00% (9 March 2024)"
    assert compare(row, smallest_share=0.03) == "worse: 2.00%, was 3.00% (9 March 2024)"
    assert compare(row, smallest_share=0.0205).startswith("unchanged")
    assert compare(row, smallest_share=None) == "worse: 2.00%, was none up to 16% (9 March 2024)"


def test_a_share_that_was_not_looked_to_is_neither_better_nor_worse() -> None:
    row = make_attack(smallest_share=None, looked_to=0.04)
    assert compare(row, smallest_share=0.08) == (
        "not comparable: none up to 4%, was 8.00% (9 March 2024)"
    )
    assert compare(row, smallest_share=0.03) == "better: none up to 4%, was 3.00% (9 March 2024)"
    assert compare(row, looked_to=0.16).startswith("unchanged: none up to 4%, was none up to 16%")
    wider = make_attack(smallest_share=0.08)
    assert compare(wider, smallest_share=None, looked_to=0.04).startswith("not comparable")


def test_a_reader_that_is_fooled_more_often_is_worse_and_a_skip_is_no_comparison() -> None:
    row = make_text_attack()
    assert compare(row, succeeded=1) == "worse: 50%, was 25% (9 March 2024)"
    assert compare(row, succeeded=4, failed=0).startswith("better")
    told = compare(row, attempted=0, succeeded=0, failed=0)
    assert told == "not comparable: skipped then (9 March 2024)"


def test_another_size_is_another_attack() -> None:
    assert compare(make_attack(share=0.01), share=0.05).startswith("new")


def test_every_surface_has_its_denominator_and_its_reasons() -> None:
    html = render_html(make_night(attacks=gather(make_attack(), make_text_attack())))
    table = Page(html).text
    assert "text4227180" in "".join(table.split())
    assert "it says neither praise nor blame of it; not attempted: the budget ran out" in table


def test_texts_before_and_after_are_shown_and_escaped() -> None:
    example = {
        "source": "shop", "attack": "swaps", "subject": "price", "outcome": "succeeded",
        "before_text": "<img src=x> cheap", "after_text": "<img src=x> cehap",
        "before_answer": "positive", "after_answer": "not mentioned", "note": "{}",
    }  # fmt: skip
    html = render_html(make_night(attacks=gather(make_text_attack(), examples=[example])))
    assert "<img" not in html
    page = Page(html).text
    assert "cehap" in page
    assert "read as not mentioned" in page


def test_curves_are_drawn_with_their_numbers_in_words() -> None:
    curve = {"curve": [[0.01, -2.0], [0.04, None], [0.16, -9.0]], "damage_name": "shift",
             "size_name": "fake reviews per real one"}  # fmt: skip
    html = render_html(make_night(attacks=gather(make_attack(detail=json.dumps(curve)))))
    assert "price, fake-reviews: -2.00 at 0.01, -9.00 at 0.16." in html
    assert "shop: shift, by fake reviews per real one from 0 to 16%" in html


def test_defences_show_what_they_find_and_at_which_price() -> None:
    scores = {"precision": 0.9, "recall": 0.95, "false_alarms_at": 0.01, "false_alarm_rate": 0.031,
              "hits": 19, "fakes": 20}  # fmt: skip
    html = render_html(make_night(attacks=gather(make_attack(), defences=[make_defence(**scores)])))
    table = Page(html).text.split("What defences save")[1]
    for words in ("0.90", "0.95", "at 1% false alarms", "19 of 20", "3.1%", "back inside"):
        assert words in table


def test_rows_of_earlier_versions_have_left_nothing_over() -> None:
    row = make_attack(not_attempted=None)
    book = gather_attacks([{"attacks": [row], "previous": [make_previous(row)]}])
    assert (book.attacks[0].not_attempted, book.previous[0].not_attempted) == (0, 0)


def test_attributes_of_which_no_text_was_attempted_are_counted_not_listed() -> None:
    idle = {"attempted": 0, "succeeded": 0, "failed": 0, "skipped": 12, "not_attempted": 0}
    rows = (make_text_attack(), {**make_text_attack(), **idle, "subject": "quality"},
            {**make_text_attack(), **idle, "attack": "identity"})  # fmt: skip
    (view,) = look_at(gather(*rows))
    assert [attempt.row.attack for attempt in view.readers] == ["swaps", "identity"]
    assert view.n_idle_readers == 1
    assert view.counts[0].skipped == 7 + 12 + 12
