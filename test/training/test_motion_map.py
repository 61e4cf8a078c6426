import numpy as np
import onnxruntime

from training.motion_map import fit, graph, mirrored


def test_the_graph_says_what_kernel_ridge_regression_says():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    x = rng.normal(0, 0.1, (40, 96)) + np.eye(96)[labels * 7]
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    projection = np.linalg.qr(rng.normal(size=(96, 32)))[0].astype(np.float32)
    support = x @ projection
    g, coefficients = fit(support, labels, 2, sharpness=1.0, ridge=0.1)
    session = onnxruntime.InferenceSession(graph(projection, support, g, coefficients, 2.0).SerializeToString())
    row = x[:1]
    wanted = 2.0 * np.exp(2 * g * (row @ projection @ support.T - 1)) @ coefficients
    np.testing.assert_allclose(session.run(None, {"descriptor": row})[0], wanted, rtol=2e-2, atol=2e-3)


def test_it_tells_two_kinds_apart():
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 3
    x = rng.normal(0, 0.05, (60, 24)) + np.eye(24)[labels]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    g, coefficients = fit(x[:45], labels[:45], 3, sharpness=1.0, ridge=0.1)
    scores = np.exp(2 * g * (x[45:] @ x[:45].T - 1)) @ coefficients
    assert (scores.argmax(1) == labels[45:]).all()


def test_mirroring_twice_changes_nothing():
    maps = np.random.default_rng(2).random((2, 6, 24, 32))
    np.testing.assert_array_equal(mirrored(mirrored(maps)), maps)
    np.testing.assert_array_equal(mirrored(maps)[:, 0], maps[:, 2, :, ::-1])
