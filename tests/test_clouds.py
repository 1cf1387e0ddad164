"""Where a cloud is looked at from, and its points as a still figure."""

import numpy as np
import pytest

from lora_viz.film.clouds import still_points, view


def sight(basis: np.ndarray) -> np.ndarray:
    """The line of sight, of length 1."""
    yaw, pitch = view(basis)
    return np.array([-np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])


@pytest.mark.parametrize("seed", range(7))
def test_a_plane_is_seen_neither_edge_on_nor_face_on(seed: int) -> None:
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    plane, normal = q[:, :2].T, q[:, 2]
    assert 0.6 < abs(sight(plane) @ normal) < 0.9
    assert abs(sight(normal[None]) @ normal) < 0.4, "a line is seen from its side"


def test_a_space_and_a_plane_of_two_dimensions_have_the_usual_view() -> None:
    nowhere = np.full((2, 3), np.nan)
    assert view(np.eye(3)) == view(np.eye(2)) == view(nowhere) == (-0.65, 0.42)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_points_stand_where_they_are(d: int) -> None:
    points = np.random.default_rng(d).standard_normal((5, d))
    trace = still_points(points, name="some")
    assert (trace.type, trace.name) == ("scatter3d" if d == 3 else "scatter", "some")
    for axis, name in enumerate("xyz"[:d]):
        np.testing.assert_array_equal(trace[name], points[:, axis])
    if d == 1:
        assert not trace.y.any()
