"""Ratings as one safetensors file."""

import json
from typing import Any

import numpy as np

from tasks.recommend.data import Ratings

_TEXTS = ("user_ids", "item_ids", "user_feature_names", "item_feature_names", "scale")
_CODES = ("users", "items")
_NUMBERS = ("ratings", "user_features", "item_features")


def encode_ratings(ratings: Ratings) -> bytes:
    """The same ratings give the same bytes; features are kept in single precision."""
    from safetensors.numpy import save

    tensors = {name: getattr(ratings, name).astype(np.int32) for name in _CODES}
    tensors |= {
        name: np.ascontiguousarray(getattr(ratings, name), dtype=np.float32) for name in _NUMBERS
    }
    tensors |= {
        name: np.frombuffer(json.dumps(getattr(ratings, name)).encode(), dtype=np.uint8)
        for name in _TEXTS
    }
    found: bytes = save(tensors)
    return found


def decode_ratings(data: bytes) -> Ratings:
    """Read what `encode_ratings` wrote."""
    from safetensors.numpy import load

    tensors = load(data)
    fields: dict[str, Any] = {name: tensors[name].astype(np.int64) for name in _CODES}
    fields |= {name: tensors[name].astype(np.float64) for name in _NUMBERS}
    fields |= {name: tuple(json.loads(tensors[name].tobytes())) for name in _TEXTS}
    return Ratings(**fields)
