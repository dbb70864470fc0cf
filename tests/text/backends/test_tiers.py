"""Every tier that runs here keeps its promise, whatever company a text has; the store can rely on it."""

import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from tasks.platform.errors import ConfigError
from tasks.text import encoder as encoder_module
from tasks.text.backends import choose, processor
from tasks.text.backends.base import Tier
from tasks.text.backends.choose import PROMISES
from tasks.text.backends.probe import Quality, measure_quality
from tasks.text.encoder import Encoder

TIERS = [("torch", "fast"), ("openvino", "exact"), ("openvino", "fast"), ("openvino", "fastest")]
NUMBERS = {"exact": "fp32", "fast": "bf16", "fastest": "int8"}
TEXTS = [
    "The strings rust within a month, but the tone is lovely.",
    "ok",
    "",
    "Café señor 😀 — “quotes” … 100% &amp; <br />",
    "The room was small and the shower cold, yet breakfast made up for it. " * 9,
    "I returned it the same day because the hinge was already cracked when I opened the box.",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoders")


def open_tier(backend: str, precision: str, cache: Path, **options: object) -> Encoder:
    if not choose.is_installed(backend):
        pytest.skip(f"{backend} is not installed")
    if not processor.has_fast(NUMBERS[precision]):
        pytest.skip(f"this processor has no instructions for {NUMBERS[precision]}")
    return Encoder(device="cpu", backend=backend, precision=precision, cache=cache, **options)


@pytest.mark.parametrize(("backend", "precision"), TIERS)
@pytest.mark.slow
def test_each_tier_keeps_its_promise_on_texts_it_was_not_made_with(
    backend: str, precision: str, cache: Path, minilm: Encoder
) -> None:
    encoder = open_tier(backend, precision, cache)
    assert str(encoder.choice.tier) == f"{backend} {NUMBERS[precision]}"
    assert encoder.choice.notes == ()
    assert measure_quality(encoder.encode(TEXTS), minilm.encode(TEXTS)).keeps(PROMISES[precision])


def test_what_was_measured_on_texts_cut_shorter_is_measured_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "recall_quality", lambda _root, parts, _: parts)
    monkeypatch.setattr(encoder_module, "provide_folder", lambda _root, key, _: key)
    keys = []
    for max_tokens in (8, 64, 200):  # the network has places for 64
        encoder = Encoder(str(tiny_model), device="cpu", max_tokens=max_tokens, cache=tmp_path)
        verdict = encoder._measure_tier(Tier("torch", "bf16"))
        levels = encoder._find_levels() if choose.is_installed("openvino") else None
        keys.append((verdict, levels))
    assert keys[0][0] != keys[1][0] == keys[2][0]
    assert keys[0][1] is None or keys[0][1] != keys[1][1] == keys[2][1]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "precision"), TIERS)
def test_a_vector_is_the_same_in_any_company(backend: str, precision: str, cache: Path) -> None:
    encoder = open_tier(backend, precision, cache)
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    small = open_tier(backend, precision, cache, batch_tokens=64).encode(TEXTS[::-1])[::-1]
    for other in (alone, small):
        np.testing.assert_allclose(other, together, atol=1e-6 if precision == "exact" else 1e-3)


def test_revisions_differ_wherever_vectors_do(cache: Path, minilm: Encoder) -> None:
    revisions = [minilm.revision]
    for backend, precision in TIERS:
        revisions.append(open_tier(backend, precision, cache).revision)
    assert len(set(revisions)) == len(revisions)


def test_a_second_start_needs_no_torch_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_tier("openvino", "fastest", cache).encode(TEXTS)
    monkeypatch.setattr(
        "tasks.text.backends.openvino_backend.load_network", lambda *a, **k: pytest.fail("loaded")
    )
    monkeypatch.setattr(
        "tasks.text.backends.torch_backend.load_network", lambda *a, **k: pytest.fail("loaded")
    )
    np.testing.assert_array_equal(open_tier("openvino", "fastest", cache).encode(TEXTS), first)


def test_a_tier_that_fails_the_check_is_not_used_and_said_so(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(encoder_module, "measure_quality", lambda a, b: Quality(0.1, 0.2))
    monkeypatch.setattr(choose, "has_fast", lambda numbers: True)
    encoder = Encoder(
        str(tiny_model), device="cpu", backend="torch", precision="fast", cache=tmp_path
    )
    with caplog.at_level(logging.WARNING):
        vectors = encoder.encode(["good food"])
    reference = Encoder(str(tiny_model), device="cpu")
    np.testing.assert_array_equal(vectors, reference.encode(["good food"]))
    assert encoder.revision == reference.revision
    assert "torch bf16: cosine at least 0.1" in caplog.text
    assert "using torch fp32" in caplog.text


def test_a_backend_that_is_not_installed_is_a_config_error(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "is_installed", lambda library: library == "torch")
    with pytest.raises(ConfigError, match=r"pip install 'whyrec\[fast\]'"):
        Encoder(str(tiny_model), device="cpu", backend="openvino").encode(["good"])


def test_first_token_pooling_survives_conversion(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "cls"
    shutil.copytree(tiny_model, folder)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    if not choose.is_installed("openvino"):
        pytest.skip("openvino is not installed")
    own = Encoder(str(folder), device="cpu", backend="openvino", cache=tmp_path / "cache")
    wanted = Encoder(str(folder), device="cpu").encode(["good food", "bad"])
    np.testing.assert_allclose(own.encode(["good food", "bad"]), wanted, atol=1e-5)


def test_threads_may_share_an_encoder(cache: Path) -> None:
    encoder = open_tier("openvino", "exact", cache)
    expected = {text: encoder.encode([text])[0] for text in TEXTS}
    wrong: list[str] = []

    def work(texts: list[str]) -> None:
        for text, vector in zip(texts, encoder.encode(texts), strict=True):
            if np.abs(vector - expected[text]).max() > 1e-6:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(TEXTS[n:] + TEXTS[:n],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert processor.count_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
    assert processor.count_threads() >= 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert processor.count_threads() >= 1


def test_processors_without_the_instructions_do_not_have_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processor, "read_flags", lambda: frozenset({"avx2", "fma"}))
    assert [processor.has_fast(n) for n in ("fp32", "bf16", "int8")] == [True, False, False]
