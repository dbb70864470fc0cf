"""Each distinct text is embedded once, ever, whatever dies or is deleted."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.platform.errors import StorageError
from tasks.text.encoder import Encoded, Encoder
from tasks.text.store import EmbeddingStore, hash_text


class CountingEncoder:
    """Stands in for an encoder: a vector made of the text's hash, and a log of what was encoded."""

    revision = "0123456789abcdef"
    dim = 4

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode_counted(self, texts: Sequence[str], *, progress: Any = None) -> Encoded:
        self.seen.extend(texts)
        if progress is not None:
            progress(len(texts), len(texts))
        return Encoded(np.stack([expected_vector(text) for text in texts]), len(texts), 7)


def expected_vector(text: str) -> np.ndarray:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return np.frombuffer(digest[:4], dtype=np.uint8).astype(np.float32)


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., tuple[EmbeddingStore, CountingEncoder]]:
    def make(**options: Any) -> tuple[EmbeddingStore, CountingEncoder]:
        encoder = CountingEncoder()
        return EmbeddingStore(tmp_path / "store", cast(Encoder, encoder), **options), encoder

    return make


MakeStore = Callable[..., tuple[EmbeddingStore, CountingEncoder]]


def test_each_distinct_text_is_encoded_once_over_stores_and_calls(make_store: MakeStore) -> None:
    store, encoder = make_store()
    first = store.embed(["a", "b", "a", ""])
    assert (first.n_distinct, first.n_new, first.n_hit) == (3, 3, 0)
    assert (first.n_cut, first.n_tokens, first.n_corrupt) == (3, 7, 0)
    np.testing.assert_array_equal(first.vectors, [expected_vector(t) for t in ["a", "b", "a", ""]])
    other, other_encoder = make_store()
    second = other.embed(["b", "c", "a"])
    assert (second.n_distinct, second.n_new, second.n_hit) == (3, 1, 2)
    assert sorted(encoder.seen) == ["", "a", "b"]
    assert other_encoder.seen == ["c"]
    np.testing.assert_array_equal(second.vectors, [expected_vector(t) for t in ["b", "c", "a"]])


def test_files_are_named_by_their_content_and_hold_what_is_promised(
    make_store: MakeStore, tmp_path: Path
) -> None:
    store, _ = make_store(file_texts=2)
    files = store.embed(["a", "b", "c"]).files
    assert len(files) == 2
    hashes: list[str] = []
    for name in files:
        path = tmp_path / "store" / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
        table = pq.read_table(path)
        assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[4]"
        hashes += table.column("text_sha256").to_pylist()
    assert sorted(hashes) == sorted(hashlib.sha256(t.encode()).hexdigest() for t in "abc")
    leftovers = [p.name for p in (tmp_path / "store" / CountingEncoder.revision).glob(".*.tmp")]
    assert leftovers == []


def test_the_same_texts_in_another_order_make_the_same_files(
    make_store: MakeStore, tmp_path: Path
) -> None:
    store, _ = make_store()
    files = store.embed(["a", "b", "c"]).files
    other = EmbeddingStore(tmp_path / "other", cast(Encoder, CountingEncoder()))
    assert other.embed(["c", "a", "b", "c"]).files == files


def test_missing_names_what_is_not_stored(make_store: MakeStore) -> None:
    store, _ = make_store()
    store.embed(["a"])
    assert store.missing([hash_text("b"), hash_text("a"), hash_text("b")]) == [hash_text("b")]


def test_texts_of_a_deleted_file_are_encoded_again(make_store: MakeStore, tmp_path: Path) -> None:
    store, encoder = make_store()
    kept = store.embed(["kept"]).files
    lost = store.embed(["lost"]).files
    (tmp_path / "store" / lost[0]).unlink()
    again = store.embed(["kept", "lost"])
    assert (again.n_new, again.n_hit) == (1, 1)
    assert again.files == tuple(sorted(kept + lost))
    assert encoder.seen == ["kept", "lost", "lost"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "garbage"])
@pytest.mark.parametrize("is_reopened", [True, False])
def test_a_damaged_file_is_moved_aside_and_its_texts_encoded_again(
    make_store: MakeStore, tmp_path: Path, damage: str, is_reopened: bool
) -> None:
    store, _ = make_store()
    path = tmp_path / "store" / store.embed(["a", "b"]).files[0]
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 3] ^= 0xFF
    path.write_bytes(
        {"flip": bytes(content), "truncate": bytes(content[:-9]), "empty": b""}.get(
            damage, b"x" * 99
        )
    )
    if is_reopened:
        store, _ = make_store()
    result = store.embed(["a", "b"])
    np.testing.assert_array_equal(result.vectors, [expected_vector("a"), expected_vector("b")])
    assert result.n_corrupt == 1
    assert result.n_new == 2
    assert [p.name for p in (path.parent / "corrupt").iterdir()] == [path.name]


def test_a_stray_file_of_another_shape_does_no_harm(make_store: MakeStore, tmp_path: Path) -> None:
    store, _ = make_store()
    store.embed(["a"])
    folder = tmp_path / "store" / CountingEncoder.revision
    pq.write_table(pq.read_table(next(folder.glob("*.parquet"))).select([1]), folder / "x.parquet")
    (folder / ".half-written.tmp").write_bytes(b"x")
    result = make_store()[0].embed(["a"])
    assert (result.n_hit, result.n_corrupt) == (1, 1)


def test_a_hit_neither_loads_the_model_nor_waits_for_a_writer(
    tiny_model: Path, tmp_path: Path
) -> None:
    texts = ["good food", "bad food"]
    EmbeddingStore(tmp_path, Encoder(str(tiny_model), device="cpu")).embed(texts)
    encoder = Encoder(str(tiny_model), device="cpu")
    store = EmbeddingStore(tmp_path, encoder)
    with store._lock():  # as if another process were embedding
        assert store.embed(texts).n_hit == 2
    assert "_network" not in vars(encoder)
    assert "_tokenizer" not in vars(encoder)


def test_another_model_has_vectors_of_its_own(make_store: MakeStore) -> None:
    store, encoder = make_store()
    store.embed(["a"])
    encoder.revision = "fedcba9876543210"
    assert make_store()[0].missing([hash_text("a")]) == []
    other = CountingEncoder()
    other.revision = "fedcba9876543210"
    assert EmbeddingStore(store.root, cast(Encoder, other)).embed(["a"]).n_new == 1


def test_threads_with_stores_of_their_own_encode_each_text_once(make_store: MakeStore) -> None:
    pairs = [make_store(file_texts=5) for _ in range(6)]
    texts = [f"text {n}" for n in range(40)]

    def run(number: int) -> None:
        result = pairs[number][0].embed(texts[number * 4 : number * 4 + 20])
        wanted = [expected_vector(t) for t in texts[number * 4 : number * 4 + 20]]
        np.testing.assert_array_equal(result.vectors, wanted)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [text for _, encoder in pairs for text in encoder.seen]
    assert len(seen) == len(set(seen)) == 40


WORKER = """
import sys, time
from pathlib import Path
from tests.text.test_store import CountingEncoder, EmbeddingStore
class Slow(CountingEncoder):
    def encode_counted(self, texts, *, progress=None):
        time.sleep(0.02)
        return super().encode_counted(texts, progress=progress)
encoder = Slow()
store = EmbeddingStore(Path(sys.argv[1]), encoder, file_texts=3)
for start in range(0, 60, 6):
    store.embed([f"text {n}" for n in range(start, start + 12)])
print("\\n".join(encoder.seen))
"""


@pytest.mark.slow
def test_processes_at_once_encode_each_text_once_and_agree(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    workers = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    seen = [
        line
        for worker in workers
        for line in worker.communicate(timeout=120)[0].split("\n")
        if line
    ]
    assert all(worker.returncode == 0 for worker in workers)
    assert len(seen) == len(set(seen)) == 66


def test_a_killed_writer_leaves_no_lock_and_no_half_file(tmp_path: Path) -> None:
    code = WORKER.replace("time.sleep(0.02)", "print('in', flush=True); time.sleep(60)")
    root = Path(__file__).resolve().parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "in\n"
    worker.kill()
    worker.communicate()
    result = EmbeddingStore(tmp_path, cast(Encoder, CountingEncoder())).embed(["text 0", "text 1"])
    assert (result.n_new, result.n_corrupt) == (2, 0)


def test_a_folder_that_cannot_be_written_is_a_storage_error(
    make_store: MakeStore, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="cannot"):
        make_store()[0].embed(["a"])


def test_progress_runs_over_all_missing_texts(make_store: MakeStore) -> None:
    seen: list[tuple[int, int]] = []
    make_store(file_texts=2)[0].embed(
        ["a", "b", "c"], progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(2, 3), (3, 3)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calls=st.lists(st.lists(st.text(max_size=6), max_size=8), min_size=1, max_size=4))
def test_any_sequence_of_calls_accounts_for_every_text(
    calls: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    encoder = CountingEncoder()
    store = EmbeddingStore(tmp_path_factory.mktemp("any"), cast(Encoder, encoder), file_texts=3)
    known: set[str] = set()
    for texts in calls:
        result = store.embed(texts)
        assert result.n_distinct == len(set(texts))
        assert result.n_new == len(set(texts) - known)
        assert result.n_hit == len(set(texts) & known)
        assert result.vectors.shape == (len(texts), 4)
        for text, vector in zip(texts, result.vectors, strict=True):
            np.testing.assert_array_equal(vector, expected_vector(text))
        known |= set(texts)
    assert len(encoder.seen) == len(known)
    assert not [path for path in store.root.glob("*") if path.name != encoder.revision]
