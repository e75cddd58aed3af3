"""Quantised networks as ONNX: integers in the file, and outputs as the network has them."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import prunus
from prunus.export import read_scheme
from prunus.models import build_model
from prunus.quantization import Grid, detach, reattach, to_integers


def trained(name="vgg", shape=(1, 8, 8), **settings):
    torch.manual_seed(0)
    settings = settings or {"plan": [6, "M", 8], "linear": [10], "batch_norm": True}
    model = build_model(prunus.Part(name=name, settings=settings), shape, 4)
    model.train()
    for _ in range(3):
        model(torch.randn(64, *shape))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval()


def initializers(path):
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


@pytest.mark.parametrize(
    "bits",
    [
        {"weights": 8},
        {"weights": 4, "activations": 4},
        {"weights": 2, "activations": 3, "first_last": 2},
        {"weights": 8, "activations": 32},
        {"weights": 32, "activations": 8},
    ],
)
def test_the_file_computes_what_the_network_does(tmp_path, bits):
    model, batch = trained(), torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    prunus.quantize(model, [batch], bits)
    file = prunus.write_onnx(model, batch[:2], tmp_path / "q.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file.path, options)
    (found,) = session.run(None, {"input": batch.numpy()})
    expected = model(batch).detach().numpy()
    step = np.ptp(expected) / 255
    assert (np.abs(found - expected) <= step).mean() >= 0.999
    clear = np.sort(expected)[:, -1] - np.sort(expected)[:, -2] > step
    assert (found.argmax(1) == expected.argmax(1))[clear].all()


def test_zeros_stay_zeros_and_integers_are_those_of_the_network(tmp_path):
    model = trained()
    with torch.no_grad():
        for layer in (model.features[0], model.features[4]):
            layer.weight[layer.weight.abs() < layer.weight.abs().median()] = 0
    prunus.quantize(model, [torch.randn(64, 1, 8, 8)])
    file = prunus.write_onnx(model, torch.randn(2, 1, 8, 8), tmp_path / "q.onnx")
    for layer, norm in ((model.features[0], model.features[1]), (model.features[4], model.features[5])):
        wanted = layer.weight_quantizer.integers(layer.weight) * norm.weight.sign()[:, None, None, None]
        found = [one for name, one in initializers(file.path).items() if name.endswith("/weight_integers")]
        (same,) = (one for one in found if one.shape == wanted.shape)
        assert same.dtype == np.int8
        assert (same == wanted.detach().numpy()).all()
        assert (same == 0).sum() >= int((layer.weight == 0).sum()) > 20
    zero_points = [one for name, one in initializers(file.path).items() if name.endswith("/weight_zero_point")]
    assert not np.concatenate(zero_points).any()


def test_a_residual_network_and_one_of_linear_layers_over_sequences(tmp_path):
    model = trained("resnet20", (3, 32, 32), shortcut="projection")
    prunus.quantize(model, [torch.randn(32, 3, 32, 32)])
    prunus.write_onnx(model, torch.randn(2, 3, 32, 32), tmp_path / "r.onnx")
    over_time = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)).eval()
    prunus.quantize(over_time, [torch.randn(32, 5, 8)], {"activations": 32})
    file = prunus.write_onnx(over_time, torch.randn(2, 5, 8), tmp_path / "s.onnx")
    assert sum(one.dtype == np.int8 and one.ndim == 2 for one in initializers(file.path).values()) == 2


def test_the_integers_file_gives_the_network_back(tmp_path):
    model, batch = trained(), torch.randn(64, 1, 8, 8)
    prunus.quantize(model, [batch], {"weights": 4})
    expected = model(batch)
    file = prunus.write_integers(model, tmp_path / "q.safetensors")
    detach(model)
    assert file.size_bytes < 0.6 * prunus.write_safetensors(model, tmp_path / "f.safetensors").size_bytes
    again = read_scheme(file.path)
    reattach(model, again)
    assert model(batch).equal(expected)
    one = again["features.0"]
    weight = model.features[0].weight.detach()
    integers = to_integers(weight, one.weight_scale[:, None, None, None], torch.zeros(()), Grid.of_weights(8))
    assert integers.abs().max() <= 127


def test_a_network_that_is_not_quantised_has_no_integers(tmp_path):
    with pytest.raises(prunus.InputError, match="None of its layers is quantised"):
        prunus.write_integers(trained(), tmp_path / "q.safetensors")
    assert not list(tmp_path.iterdir())
