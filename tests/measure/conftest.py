import pytest
import torch

from prunus.export import write_onnx, write_safetensors
from prunus.measure import Variant, named_model
from prunus.models import build_model
from prunus.spec import Part


@pytest.fixture(scope="session")
def write_variant(tmp_path_factory):
    """Writes a network with random weights and returns (variant, model)."""

    def write(part, input_shape=(1, 8, 8), seed=0):
        folder = tmp_path_factory.mktemp("variant")
        part = Part.model_validate(part)
        torch.manual_seed(seed)
        model = build_model(part, input_shape, 10).eval()
        files = {
            "safetensors": write_safetensors(model, folder / "model.safetensors").path,
            "onnx": write_onnx(model, torch.zeros(1, *input_shape), folder / "model.onnx").path,
        }
        builder = named_model(part, input_shape, 10)
        return Variant(input_shape=input_shape, files=files, builder=builder), model

    return write


@pytest.fixture(scope="session")
def small(write_variant):
    return write_variant("vgg-digits")
