import sys

import pytest

from tasks.platform.errors import ConfigError
from tasks.recommend.logbook import Logbook
from tasks.recommend.train import Progress


def test_scalars_can_be_read_by_tensorboard(tmp_path):
    with Logbook(tmp_path, name="coat") as watch:
        watch(Progress(5, 1.5, None))
        watch(Progress(10, 1.25, 0.75))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("coat/objective")] == [(5, 1.5), (10, 1.25)]
    assert [(e.step, e.value) for e in events.Scalars("coat/validation")] == [(10, 0.75)]


def test_without_tensorboard_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        Logbook(tmp_path)
