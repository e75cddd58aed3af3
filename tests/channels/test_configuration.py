"""A cut model of transformers says by its configuration what it is, or refuses to save itself with one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import prunus
from prunus.channels import load, plan, save, shrink
from prunus.coupling import channel_groups, couple_model
from prunus.errors import InputError

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

IDS = {"input_ids": torch.arange(12).reshape(2, 6) + 3}
SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
}


def bert() -> Any:
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES)).eval()


def roberta() -> Any:
    return transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**SIZES)).eval()


def gpt2() -> Any:
    config = transformers.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=32)
    config.bos_token_id = config.eos_token_id = None
    return transformers.GPT2LMHeadModel(config).eval()


def decoder(kind: str, **settings: Any) -> Any:
    network = getattr(transformers, f"{kind}ForCausalLM")
    sizes = {**SIZES, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": None, **settings}
    return network(network.config_class(**sizes)).eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "settings", "rate", "left"),
    [
        ("Llama", {}, 0.5, {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}),
        ("Llama", {"num_key_value_heads": 1}, 0.25, {"num_attention_heads": 3, "num_key_value_heads": 1}),
        ("Qwen2", {"num_key_value_heads": 4}, 0.3, {"num_attention_heads": 3, "hidden_size": 22, "head_dim": 8}),
    ],
)
def test_whole_heads_are_said_with_the_keys_they_share(
    kind: str, settings: dict[str, Any], rate: float, left: dict[str, int], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = decoder(kind, **settings)
    result: Any = prunus.prune_channels(model, IDS, rate)
    assert result.report.form == "class"
    assert {name: getattr(result.model.config, name, None) for name in left} == left
    result.model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    assert torch.equal(again(**IDS).logits, result.model(**IDS).logits)
    tokens = [network.generate(**IDS, max_new_tokens=4, do_sample=False) for network in (again, result.model)]
    assert torch.equal(*tokens)


def esm() -> Any:
    config = transformers.EsmConfig(**SIZES | {"num_hidden_layers": 1}, position_embedding_type="rotary")
    return transformers.EsmForSequenceClassification(config).eval()


def opt() -> Any:
    sizes = {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = transformers.OPTConfig(**sizes, word_embed_proj_dim=32, vocab_size=50, max_position_embeddings=32)
    config.bos_token_id = config.eos_token_id = None
    return transformers.OPTForCausalLM(config).eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("build", "told"),
    [
        pytest.param(opt, "config.word_embed_proj_dim = 16", id="a width that alone would make a projection"),
        pytest.param(
            esm, "without esm.contact_head.regression.weight, which nothing reads", id="a tensor that nothing reads"
        ),
    ],
)
def test_all_that_changes_is_told_and_read_again(build: Callable[[], Any], told: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    result: Any = prunus.prune_channels(build(), IDS, 0.5)
    assert told in result.report.configured
    save(result.model, tmp_path / "small.safetensors")
    again: Any = load(tmp_path / "small.safetensors", build=build)
    for small in (result.model, again):
        small.save_pretrained(tmp_path / "pretrained")
        read = type(small).from_pretrained(tmp_path / "pretrained").eval()
        assert torch.equal(read(**IDS).logits, small(**IDS).logits)


@pytest.mark.filterwarnings("ignore")
def test_a_multiplier_of_widths_is_a_field_as_others(tmp_path: Path) -> None:
    config = transformers.MobileNetV1Config(image_size=32, depth_multiplier=0.25, min_depth=4, num_labels=3)
    image = torch.rand(1, 3, 32, 32)
    torch.manual_seed(0)
    model = transformers.MobileNetV1ForImageClassification(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)  # initial weights let nothing through
    result: Any = prunus.prune_channels(model, image, 0.5)
    assert "config.depth_multiplier = 0.125" in result.report.configured
    result.model.save_pretrained(tmp_path)
    again = transformers.MobileNetV1ForImageClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(image).logits, result.model(image).logits)


@pytest.mark.filterwarnings("ignore")
def test_a_number_that_no_size_needs_stays(tmp_path: Path) -> None:
    """A stride of 16 that equals a width is not halved with it."""
    sizes = {"hidden_sizes": [16, 16], "depths": [1, 1], "embedding_size": 16, "num_channels": 3}

    class Strided(transformers.ResNetForImageClassification):
        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            shift = pixel_values.roll(self.config.shift, dims=-1)
            return super().forward(pixel_values + shift).logits

    config = transformers.ResNetConfig(**sizes, shift=16, num_labels=3)
    torch.manual_seed(0)
    result: Any = prunus.prune_channels(Strided(config).eval(), torch.rand(1, 3, 40, 40), 0.5)
    assert result.report.form == "class"
    assert result.model.config.embedding_size == 8
    assert result.model.config.shift == 16


@pytest.mark.filterwarnings("ignore")
def test_a_table_that_the_class_works_out_anew_is_no_configuration_of_a_cut_one(tmp_path: Path) -> None:
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.MarianConfig(**sizes, **heads, vocab_size=50, pad_token_id=0, max_position_embeddings=16)
    model = transformers.MarianMTModel(config).eval()
    result: Any = prunus.prune_channels(model, {**IDS, "decoder_input_ids": IDS["input_ids"]}, 0.5)
    with pytest.raises(InputError, match=r"'model\.encoder\.embed_positions\.weight'"):
        result.model.save_pretrained(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_is_a_part_of_another_says_what_it_is(tmp_path: Path) -> None:
    sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 1, "n_heads": 4, "vocab_size": 50}

    class Tagger(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = transformers.DistilBertModel(transformers.DistilBertConfig(**sizes))
            self.head = torch.nn.Linear(32, 3)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.encoder(input_ids).last_hidden_state)

    torch.manual_seed(0)
    small: Any = prunus.prune_channels(Tagger().eval(), IDS, 0.5).model.eval()
    small.encoder.save_pretrained(tmp_path)
    again = transformers.DistilBertModel.from_pretrained(tmp_path).eval()
    assert torch.equal(again(**IDS).last_hidden_state, small.encoder(**IDS).last_hidden_state)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", [bert, roberta, gpt2])
def test_what_is_saved_is_read_with_the_same_outputs(build: Callable[[], Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build()
    result: Any = prunus.prune_channels(model, IDS, 0.5)
    assert result.report.form == "class"
    assert any("head" in field for field in result.report.configured)  # 2 of 8 and 4 of 4 have the same shapes
    result.model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    assert torch.equal(again(**IDS).logits, result.model(**IDS).logits)
    assert (model.config.num_attention_heads, model.config.hidden_size) == (4, 32)
    assert (again.config.num_attention_heads, again.config.hidden_size) == (2, 16)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_is_loaded_again_still_knows_its_configuration(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small: Any = prunus.prune_channels(bert(), IDS, 0.5).model
    save(small, tmp_path / "small.safetensors")
    again: Any = load(tmp_path / "small.safetensors", build=bert)
    assert again.config.to_dict() == small.config.to_dict()


@pytest.mark.filterwarnings("ignore")
def test_layers_that_differ_are_said_by_no_configuration(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = bert()
    coupling = couple_model(model, IDS)
    groups = channel_groups(coupling)
    name = next(group.name for group in groups if "intermediate" in group.name)
    result: Any = shrink(model, plan(groups, {name: range(40)}), IDS, coupling)
    assert result.configured is None
    with pytest.raises(InputError, match=r"is of shape \(40,.*\), and \(64,.*prunus\.save"):
        result.model.save_pretrained(tmp_path)
    save(result.model, tmp_path / "small.safetensors")
    again: Any = load(tmp_path / "small.safetensors", build=bert)
    assert torch.equal(again(**IDS).logits, result.model(**IDS).logits)
    with pytest.raises(InputError, match=r"prunus\.save"):
        again.save_pretrained(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_diffusers_says_what_it_is(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    torch.manual_seed(0)
    blocks = {"num_encoder_blocks": (1,), "num_decoder_blocks": (1,)}
    widths = {"encoder_block_out_channels": (8,), "decoder_block_out_channels": (8,)}
    model = diffusers.AutoencoderTiny(**widths, **blocks).eval()
    image = torch.rand(1, 3, 8, 8)
    result: Any = prunus.prune_channels(model, image, 0.5)
    assert "config.latent_channels = 2" in result.report.configured  # it was a default
    result.model.save_pretrained(tmp_path)
    again = diffusers.AutoencoderTiny.from_pretrained(tmp_path).eval()
    assert torch.equal(again(image).sample, result.model(image).sample)
    assert model.config.latent_channels == 4
