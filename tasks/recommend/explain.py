"""Why a pair is predicted its rating: the parts of the prediction, which sum to it exactly."""

from dataclasses import dataclass

import numpy as np

from tasks.recommend.data import Codes, Floats
from tasks.recommend.models import Recommender


@dataclass(frozen=True)
class Parts:
    """Parts of n predictions, each (n,), in rating points.

    `mean` of all; `user` and `item` beyond what their features say; `interaction` of learned latent
    vectors and tastes; `features` of both sides, alone and crossed.
    """

    mean: Floats
    user: Floats
    item: Floats
    interaction: Floats
    features: Floats

    @property
    def total(self) -> Floats:
        """The predictions."""
        return self.mean + self.user + self.item + self.interaction + self.features


def split_prediction(model: Recommender, users: Codes, items: Codes) -> Parts:
    """The parts of the predictions of pairs of codes."""
    p, z, w = model.parameters, model.inputs.user_features[users], model.inputs.item_features[items]
    zeros = np.zeros(len(users))
    interaction = zeros.copy()
    if "latent_user" in p:
        interaction += np.einsum("nk,nk->n", p["latent_user"][users], p["latent_item"][items])
    if "taste" in p:
        interaction += np.einsum("nk,nk->n", p["taste"][users], w)
    if "appeal" in p:
        interaction += np.einsum("nk,nk->n", p["appeal"][items], z)
    features = zeros.copy()
    features += z @ p["user_features"] if "user_features" in p else 0.0
    features += w @ p["item_features"] if "item_features" in p else 0.0
    if "cross" in p:
        features += np.einsum("na,ab,nb->n", z, p["cross"], w)
    return Parts(
        mean=zeros + float(p["mean"]),
        user=p["user"][users] if "user" in p else zeros,
        item=p["item"][items] if "item" in p else zeros,
        interaction=interaction,
        features=features,
    )
