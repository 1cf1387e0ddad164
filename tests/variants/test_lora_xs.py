"""LoRA-XS, which PEFT does not have: autograd, torch.optim, and the two promises of its geometry."""

from dataclasses import replace

import numpy as np
import torch

from lora_viz.core.experiment import Experiment
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import fields_of, gradients_equal_autograd, trained


def test_as_autograd_and_torch_optim(small: Experiment) -> None:
    e = replace(small, variant="lora_xs", batch=11)
    run, task = trained(e), make_task(e)
    p, fixed = VARIANTS["lora_xs"].form.start(fields_of(e), task)
    R = torch.tensor(p["R"], requires_grad=True)
    A, B = torch.tensor(fixed["A"]), torch.tensor(fixed["B"])
    rule = torch.optim.Adam([R], lr=e.lr)
    from lora_viz.layer.tasks import batches

    for k, seen in enumerate(batches(e)):
        np.testing.assert_allclose(run.parameters[0]["R"][k], R.detach().numpy(), atol=1e-10)
        x, r = torch.tensor(task.inputs[seen]), torch.tensor(task.residuals[seen])
        rule.zero_grad()
        (0.5 * ((e.scaling * x @ A.T @ R.T @ B.T - r) ** 2).sum() / len(x)).backward()
        rule.step()


def test_the_update_stays_inside_the_leading_axes_of_w(small: Experiment) -> None:
    run = trained(replace(small, variant="lora_xs"))
    u, _, vt = np.linalg.svd(run.task.base_weight)
    delta = run.delta_weight()[-1]
    np.testing.assert_allclose(u[:, :3] @ u[:, :3].T @ delta @ vt[:3].T @ vt[:3], delta, atol=1e-13)


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="lora_xs"))
