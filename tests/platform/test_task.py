"""What enters a cache key of a task, and what stays out."""

from tasks.platform.settings import ExtractSettings, LlmSettings
from tasks.platform.task import describe_inputs


def test_how_a_language_model_is_run_stays_out_of_the_key_of_what_was_extracted() -> None:
    """What of it decides an answer is in the extractor's revision, which is keyed by itself."""
    plain = ExtractSettings()
    other = ExtractSettings(llm=LlmSettings(device="cpu", batch_tokens=999))
    assert describe_inputs(plain) == describe_inputs(other)
    assert describe_inputs(plain) != describe_inputs(ExtractSettings(extractor="llm"))
    assert "llm" not in str(describe_inputs(plain))
