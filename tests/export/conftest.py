"""Models are run where they are served: in onnxruntime, after ONNX's own checker has passed them."""

import numpy as np
import pytest

CLOSE = 1e-5


@pytest.fixture
def serve():
    """Run a model on inputs by name: a dict of its outputs by name."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")

    def call(proto, **inputs):
        onnx.checker.check_model(proto, full_check=True)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, inputs)
        return {value.name: output for value, output in zip(session.get_outputs(), outputs, strict=True)}

    return call


@pytest.fixture
def agree():
    """Assert that what was served is what an estimator, or a pipeline, predicts of the rows x."""

    def check(model, x, served):
        if not hasattr(model, "classes_"):
            expected = model.predict(x)
            found = served["variable"]
            assert found.ndim == 2
            # Sums of huge terms leave errors of their size: 1e-5 is of the largest.
            largest = np.abs(expected[np.isfinite(expected)]).max(initial=1)
            np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=CLOSE, atol=CLOSE * largest)
            return
        expected, labels = model.predict_proba(x), model.predict(x)
        np.testing.assert_allclose(served["probabilities"], expected, atol=CLOSE)
        assert served["label"].shape == labels.shape
        if labels.ndim == 2:
            clear = np.abs(expected - 0.5) > CLOSE
        else:
            first, second = np.sort(expected, axis=1)[:, :-3:-1].T
            clear = first - second > CLOSE
        assert clear.mean() > 0.5
        np.testing.assert_array_equal(served["label"][clear], labels[clear])

    return check
