"""VeRA against PEFT's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import VeraConfig

from lora_viz.core.experiment import Experiment
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import fields_of, gradients_equal_autograd, peft_layer, step_for_step, trainable


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_as_peft(small: Experiment, optimizer: str) -> None:
    e = replace(small, variant="vera", rank=5, optimizer=optimizer, lr=0.1 if optimizer == "adam" else 0.02)
    own = fields_of(e)
    assert own.scaling == 1.0, "VeRA has no α"
    layer = peft_layer(e, make_task(e).base_weight, VeraConfig(r=5, target_modules=["fc"]))
    assert trainable(layer) == VARIANTS["vera"].parameters(e)
    p, fixed = VARIANTS["vera"].form.start(own, make_task(e))
    d, b = layer.vera_lambda_d["default"], layer.vera_lambda_b["default"]
    np.testing.assert_allclose(d.detach().numpy(), p["d"], rtol=1e-7)
    assert not b.any() and not p["b"].any()
    for theirs, ours in ((layer.vera_A["default"], fixed["A"]), (layer.vera_B["default"], fixed["B"])):
        bound = (6 / ours.shape[1]) ** 0.5  # Kaiming-uniform of gain √2
        assert theirs.shape == ours.shape
        assert theirs.abs().max() <= bound and np.abs(ours).max() <= bound
        assert min(theirs.abs().max().item(), np.abs(ours).max()) > 0.8 * bound
    layer.vera_A["default"], layer.vera_B["default"] = torch.tensor(fixed["A"]), torch.tensor(fixed["B"])
    d.data, b.data = torch.tensor(p["d"]), torch.tensor(p["b"])
    rule = (torch.optim.Adam if optimizer == "adam" else torch.optim.SGD)([d, b], lr=e.lr)
    step_for_step(e, layer, rule, delta=lambda: layer.get_delta_weight("default"))


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="vera"))
