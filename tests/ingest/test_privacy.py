"""Privacy rules: contacts go, numbers that are none stay."""

import hashlib
import hmac

import pyarrow as pa
import pytest

from tasks.ingest.privacy import (
    hash_user_ids,
    hide_values,
    is_name_column,
    mask_contacts,
)


def mask(text: str) -> str:
    """One text, masked."""
    return str(mask_contacts(pa.array([text]))[0].as_py())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to ann.lee+x@mail.example.co.uk now", "write to [email] now"),
        ("jörg@exämple.de", "[email]"),
        ("ann @ example.com", "[email]"),
        ("call 555-123-4567 please", "call [phone] please"),
        ("(555) 123-4567", "[phone]"),
        ("555.123.4567", "[phone]"),
        ("1-800-555-0199!", "[phone]!"),
        ("555 123 4567", "[phone]"),
        ("+49 30 1234567", "[phone]"),
        ("+44 (0)20 7946 0958.", "[phone]."),
        ("00 49 30 123 456 78", "00 49 30 123 456 78"),
        ("0049 30 1234 5678", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("phone: 5551234567", "phone: [phone]"),
        ("text me at 5551234567", "text me at [phone]"),
        ("two: 555-123-4567, 555-123-4568", "two: [phone], [phone]"),
    ],
)
def test_contact_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "costs $1,299.00 or 1299.99",
        "model 1234567890 and part 555-1234",
        "ISBN 978-0-306-40615-7 and 0306406152",
        "ISBN 0-306-40615-2",
        "from 20-20000 Hz, 100-240 V, 50/60 Hz",
        "in 2012 2013 2014 and 2015",
        "1993-2003-2013",
        "measures 12.5 x 10.25 x 3.75",
        "UPC 012345678905",
        "order 112-1234567-1234567",
        "on 2014-02-28 at 10:15:00",
        "@home and 5 @ 3",
        "$100 200 3000 each",
        "EB 010-013-017-026-036-046 strings",
        "9-42 10-46 11-49 12-54",
        "10 000 000 songs",
    ],
)
def test_number_that_is_no_contact_stays(text: str) -> None:
    assert mask(text) == text


def test_masking_keeps_nulls_order_and_slices() -> None:
    values = pa.array(["a@b.de", None, "plain", "call 555-123-4567", ""])
    masked = ["[email]", None, "plain", "call [phone]", ""]
    assert mask_contacts(values).to_pylist() == masked
    for start in range(6):
        assert mask_contacts(values.slice(start)).to_pylist() == masked[start:]
    assert mask_contacts(pa.array([], pa.string())).to_pylist() == []


def test_masking_of_hostile_text_takes_linear_time() -> None:
    text = "a" * 3_000_000 + "@" + "1 " * 1_000_000 + "." * 1_000_000
    assert len(mask(text)) > 1_000_000


def test_hash_of_users_is_hmac_sha256() -> None:
    for key in (b"k", b"long " * 40, b"\x00\xff"):
        expected = [
            hmac.new(key, user.encode(), hashlib.sha256).hexdigest()[:32] for user in ("u1", "ü2")
        ]
        assert hash_user_ids(["u1", None, "ü2"], key) == [expected[0], None, expected[1]]


def test_values_of_names_are_hidden_in_whole_and_broken_lines() -> None:
    lines = [
        '{"reviewerName": "A \\"B\\" C", "x": 1}',
        '{"x": {"User_Name" :["A","B"]}, "y": 2}',
        '{"profileName": "never closed, "y": 2',
        "{'reviewerName': 'Loose', 'x': 1}",
        '{"name": "a product", "id": 5}',
    ]
    assert hide_values(pa.array(lines), {"id"}).to_pylist() == [
        '{"reviewerName": "[hidden]", "x": 1}',
        '{"x": {"User_Name" :"[hidden]"}, "y": 2}',
        '{"profileName": "[hidden]"y": 2',
        "{'reviewerName': \"[hidden]\", 'x': 1}",
        '{"name": "a product", "id": "[hidden]"}',
    ]


@pytest.mark.parametrize("name", ["reviewerName", "ProfileName", "user_name", "First Name"])
def test_name_columns_are_known(name: str) -> None:
    assert is_name_column(name)


@pytest.mark.parametrize("name", ["name", "product_name", "username_hash", "title"])
def test_other_columns_are_no_names(name: str) -> None:
    assert not is_name_column(name)
