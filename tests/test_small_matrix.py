"""A small matrix taken apart: image, eigenvalues, projections, and what is too large."""

import numpy as np
import pytest

from lora_viz.core.refusals import Refusal
from lora_viz.layer.small_matrix import shape_rank
from lora_viz.layer.worked import parse_matrix
from lora_viz.lessons.rank.matrix import PRESETS


def preset(name: str) -> np.ndarray:
    return parse_matrix(PRESETS[name], "M")


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_image_of_the_unit_vectors(name: str) -> None:
    matrix = preset(name)
    record = shape_rank(matrix)
    np.testing.assert_allclose(np.linalg.norm(record.inputs, axis=1), 1)
    np.testing.assert_allclose(record.outputs, record.inputs @ matrix.T)
    assert record.stretch <= record.sigma[0] * (1 + 1e-12)
    assert record.stretch > 0.97 * record.sigma[0]
    assert record.fine.numerical == np.linalg.matrix_rank(matrix)
    # the image is an ellipse with semi-axes σᵢ uᵢ: along them it is the unit sphere again
    kept = record.sigma > 1e-9
    inside = record.outputs @ record.left[kept].T / record.sigma[kept]
    assert (np.linalg.norm(inside, axis=1) <= 1 + 1e-12).all()


def test_only_a_projection_does_nothing_the_second_time() -> None:
    assert shape_rank(preset("projection")).twice < 1e-13
    for name in ("rank_2", "rank_3", "shear", "turn"):
        m = preset(name)
        assert shape_rank(m).twice == pytest.approx(np.linalg.norm(m @ m - m) / np.linalg.norm(m))
        assert shape_rank(m).twice > 0.1


def test_what_is_too_large_is_refused_in_one_sentence() -> None:
    with pytest.raises(Refusal, match=r"^M is 4×2: at most 3×3 can be drawn\.$"):
        shape_rank(np.ones((4, 2)))
