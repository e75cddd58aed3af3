"""Networks that nobody of this project wrote: one row each, small, with random weights, built without a download."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

Inputs = Any
Build = Callable[[], tuple[Any, Inputs]]


@dataclass(frozen=True)
class Stranger:
    """A network of a library. build: makes it, and inputs as it takes them; library: what must be installed."""

    name: str
    library: str
    build: Build


def image(side: int = 64, channels: int = 3) -> Any:
    import torch

    return torch.randn(1, channels, side, side)


def volume(side: int = 32, channels: int = 1) -> Any:
    import torch

    return torch.randn(1, channels, side, side, side)


def small_volume() -> Any:
    return volume(16)


def ids(length: int = 16, words: int = 90) -> Any:
    import torch

    return torch.randint(3, words, (2, length))


def _made(library: str, path: str, inputs: Callable[[], Inputs], *args: Any, **settings: Any) -> tuple[Any, Inputs]:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"{library}.{module}".rstrip(".")), name)(*args, **settings), inputs()


def _rows(library: str, table: dict[str, tuple[str, Callable[[], Inputs], dict[str, Any]]]) -> list[Stranger]:
    return [
        Stranger(f"{library}:{name}", library, partial(_made, library, path, inputs, **settings))
        for name, (path, inputs, settings) in table.items()
    ]


def _yolo(kind: str, file: str) -> tuple[Any, Inputs]:
    from ultralytics.nn import tasks

    return getattr(tasks, kind)(f"{file}.yaml", verbose=False), image(64)


YOLO = {
    "DetectionModel": ("yolov3-tiny", "yolov5n", "yolov6n", "yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n"),
    "SegmentationModel": ("yolov8n-seg", "yolo11n-seg"),
    "PoseModel": ("yolov8n-pose", "yolo11n-pose"),
    "ClassificationModel": ("yolov8n-cls", "yolo11n-cls"),
    "OBBModel": ("yolov8n-obb",),
}
ULTRALYTICS = [
    Stranger(f"ultralytics:{file}", "ultralytics", partial(_yolo, kind, file))
    for kind, files in YOLO.items()
    for file in files
]

SMP = _rows(
    "segmentation_models_pytorch",
    {
        f"{kind}-{encoder}": (kind, image, {"encoder_name": encoder, "encoder_weights": None})
        for kind, encoder in [
            *((kind, "resnet18") for kind in ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet")),
            *((kind, "resnet18") for kind in ("DeepLabV3", "DeepLabV3Plus", "UPerNet", "Segformer")),
            ("Unet", "mobilenet_v2"),
            ("Unet", "efficientnet-b0"),
            ("FPN", "densenet121"),
            ("Unet", "mit_b0"),
        ]
    }
    | {"PAN-resnet18": ("PAN", partial(image, 128), {"encoder_name": "resnet18", "encoder_weights": None})},
)

_3D: dict[str, Any] = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
MONAI = _rows(
    "monai",
    {
        "UNet": (
            "networks.nets.UNet",
            small_volume,
            {**_3D, "channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 2},
        ),
        "BasicUNet": ("networks.nets.BasicUNet", volume, {**_3D, "features": (8, 8, 16, 16, 32, 8)}),
        "BasicUNetPlusPlus": ("networks.nets.BasicUNetPlusPlus", volume, {**_3D, "features": (8, 8, 16, 16, 32, 8)}),
        "DynUNet": (
            "networks.nets.DynUNet",
            small_volume,
            {
                **_3D,
                "kernel_size": [3, 3, 3],
                "strides": [1, 2, 2],
                "upsample_kernel_size": [2, 2],
                "filters": [8, 16, 32],
            },
        ),
        "SegResNet": ("networks.nets.SegResNet", small_volume, {**_3D, "init_filters": 8}),
        "AttentionUnet": (
            "networks.nets.AttentionUnet",
            small_volume,
            {**_3D, "channels": (8, 16, 32), "strides": (2, 2)},
        ),
        "VNet": ("networks.nets.VNet", small_volume, _3D),
        "UNETR": (
            "networks.nets.UNETR",
            volume,
            {
                "in_channels": 1,
                "out_channels": 2,
                "img_size": 32,
                "feature_size": 8,
                "hidden_size": 48,
                "mlp_dim": 96,
                "num_heads": 4,
            },
        ),
        "SwinUNETR": (
            "networks.nets.SwinUNETR",
            partial(volume, 64),
            {"in_channels": 1, "out_channels": 2, "feature_size": 12, "depths": (1, 1, 1, 1)},
        ),
        "DenseNet121": ("networks.nets.DenseNet121", volume, _3D),
        "HighResNet": ("networks.nets.HighResNet", small_volume, _3D),
        "AutoEncoder": ("networks.nets.AutoEncoder", small_volume, {**_3D, "channels": (8, 16), "strides": (2, 2)}),
        "EfficientNetBN": (
            "networks.nets.EfficientNetBN",
            image,
            {
                "model_name": "efficientnet-b0",
                "spatial_dims": 2,
                "in_channels": 3,
                "num_classes": 5,
                "pretrained": False,
            },
        ),
        "FlexibleUNet": (
            "networks.nets.FlexibleUNet",
            image,
            {"in_channels": 3, "out_channels": 2, "backbone": "efficientnet-b0"},
        ),
        "ViT": (
            "networks.nets.ViT",
            volume,
            {
                "in_channels": 1,
                "img_size": (32, 32, 32),
                "patch_size": (16, 16, 16),
                "hidden_size": 48,
                "mlp_dim": 96,
                "num_layers": 2,
                "num_heads": 4,
                "classification": True,
            },
        ),
        "RegUNet": (
            "networks.nets.RegUNet",
            volume,
            {"spatial_dims": 3, "in_channels": 1, "num_channel_initial": 8, "depth": 2, "out_channels": 3},
        ),
    },
)


def noisy(channels: int = 4, side: int = 16, **more: Callable[[], Any]) -> dict[str, Any]:
    """A noisy image and its time step, as diffusion takes them; more: of other arguments."""
    import torch

    return {
        "sample": image(side, channels),
        "timestep": torch.tensor([3]),
        **{name: make() for name, make in more.items()},
    }


def _words(width: int) -> Any:
    import torch

    return torch.randn(1, 7, width)


def _transformer2d(width: int) -> dict[str, Any]:
    import torch

    return {"hidden_states": image(16, 4), "timestep": torch.tensor([3]), "encoder_hidden_states": _words(width)}


def _sd3() -> dict[str, Any]:
    import torch

    return {**_transformer2d(32), "pooled_projections": torch.randn(1, 64)}


def _dit() -> dict[str, Any]:
    import torch

    return {"hidden_states": image(16, 4), "timestep": torch.tensor([3]), "class_labels": torch.tensor([1])}


_BLOCKS: dict[str, Any] = {"block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8}
_HEADS: dict[str, Any] = {"num_attention_heads": 4, "attention_head_dim": 8, "num_layers": 2, "sample_size": 16}
_CROSS: dict[str, Any] = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "cross_attention_dim": 16,
    "attention_head_dim": 4,
}
_AUTOENCODER: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
}
DIFFUSERS = _rows(
    "diffusers",
    {
        "UNet2DModel": (
            "UNet2DModel",
            partial(noisy, 3),
            {
                **_BLOCKS,
                "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
                "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
                "attention_head_dim": 8,
            },
        ),
        "UNet2DConditionModel": (
            "UNet2DConditionModel",
            partial(noisy, 4, encoder_hidden_states=partial(_words, 16)),
            {**_BLOCKS, **_CROSS, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")},
        ),
        "AutoencoderKL": ("AutoencoderKL", image, {**_BLOCKS, **_AUTOENCODER}),
        "VQModel": ("VQModel", image, {**_BLOCKS, **_AUTOENCODER}),
        "AutoencoderTiny": (
            "AutoencoderTiny",
            image,
            {
                "encoder_block_out_channels": (16, 16),
                "decoder_block_out_channels": (16, 16),
                "num_encoder_blocks": (1, 1),
                "num_decoder_blocks": (1, 1),
            },
        ),
        "DiT": ("DiTTransformer2DModel", _dit, {**_HEADS, "in_channels": 4, "out_channels": 4}),
        "PixArt": (
            "PixArtTransformer2DModel",
            partial(_transformer2d, 24),
            {
                **_HEADS,
                "in_channels": 4,
                "out_channels": 4,
                "cross_attention_dim": 32,
                "caption_channels": 24,
                "use_additional_conditions": False,
            },
        ),
        "SD3": (
            "SD3Transformer2DModel",
            _sd3,
            {
                **_HEADS,
                "in_channels": 4,
                "out_channels": 4,
                "caption_projection_dim": 32,
                "joint_attention_dim": 32,
                "pooled_projection_dim": 64,
            },
        ),
    },
)

_WIDE: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_TEXT: dict[str, Any] = {"vocab_size": 100, "max_position_embeddings": 64, "pad_token_id": 0}
_DECODER: dict[str, Any] = {**_WIDE, **_TEXT, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2}
_IMAGE: dict[str, Any] = {**_WIDE, "image_size": 32, "patch_size": 8, "num_labels": 5}
_PAIR: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    **_TEXT,
    "decoder_start_token_id": 1,
}
_EXPERTS: dict[str, Any] = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}


def words() -> dict[str, Any]:
    return {"input_ids": ids()}


def word_pair() -> dict[str, Any]:
    return {"input_ids": ids(), "decoder_input_ids": ids(8)}


def pixels() -> dict[str, Any]:
    return {"pixel_values": image(32)}


def pixels_and_words() -> dict[str, Any]:
    return {**pixels(), "input_ids": ids()[:1]}


def sound() -> dict[str, Any]:
    import torch

    return {"input_values": torch.randn(1, 1600)}


TRANSFORMERS_TABLE: dict[str, tuple[str, Callable[[], Inputs], dict[str, Any]]] = {
    "Bert": ("BertForSequenceClassification", words, {**_WIDE, **_TEXT}),
    "Roberta": ("RobertaForSequenceClassification", words, {**_WIDE, **_TEXT, "pad_token_id": 1}),
    "Electra": ("ElectraForSequenceClassification", words, {**_WIDE, **_TEXT, "embedding_size": 32}),
    "DistilBert": (
        "DistilBertForSequenceClassification",
        words,
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, **_TEXT},
    ),
    "Albert": ("AlbertForSequenceClassification", words, {**_WIDE, **_TEXT, "embedding_size": 16}),
    "DebertaV2": ("DebertaV2ForSequenceClassification", words, {**_WIDE, **_TEXT}),
    "MPNet": ("MPNetForSequenceClassification", words, {**_WIDE, **_TEXT}),
    "ModernBert": ("ModernBertForSequenceClassification", words, {**_WIDE, **_TEXT}),
    "ConvBert": ("ConvBertForSequenceClassification", words, {**_WIDE, **_TEXT, "embedding_size": 32}),
    "FNet": ("FNetForSequenceClassification", words, {**_WIDE, **_TEXT}),
    "GPT2": ("GPT2LMHeadModel", words, {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 100, "n_positions": 64}),
    "GPTNeo": (
        "GPTNeoForCausalLM",
        words,
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 8,
            **_TEXT,
        },
    ),
    "GPTNeoX": ("GPTNeoXForCausalLM", words, {**_WIDE, **_TEXT}),
    "OPT": (
        "OPTForCausalLM",
        words,
        {
            **_TEXT,
            "hidden_size": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "word_embed_proj_dim": 32,
        },
    ),
    "Bloom": ("BloomForCausalLM", words, {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 100}),
    "Llama": ("LlamaForCausalLM", words, _DECODER),
    "Mistral": ("MistralForCausalLM", words, _DECODER),
    "Qwen2": ("Qwen2ForCausalLM", words, _DECODER),
    "Qwen3": ("Qwen3ForCausalLM", words, {**_DECODER, "head_dim": 8}),
    "Gemma2": ("Gemma2ForCausalLM", words, {**_DECODER, "head_dim": 8}),
    "Phi3": ("Phi3ForCausalLM", words, _DECODER),
    "Falcon": ("FalconForCausalLM", words, {**_WIDE, **_TEXT}),
    "StableLm": ("StableLmForCausalLM", words, _DECODER),
    "Olmo2": ("Olmo2ForCausalLM", words, _DECODER),
    "Mamba": (
        "MambaForCausalLM",
        words,
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "vocab_size": 100},
    ),
    "Mixtral": ("MixtralForCausalLM", words, {**_DECODER, "num_local_experts": 4}),
    "Qwen3Moe": (
        "Qwen3MoeForCausalLM",
        words,
        {**_DECODER, **_EXPERTS, "num_experts": 4, "head_dim": 8, "decoder_sparse_step": 1},
    ),
    "T5": (
        "T5ForConditionalGeneration",
        word_pair,
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 100},
    ),
    "Bart": ("BartForConditionalGeneration", word_pair, {**_PAIR, "bos_token_id": 1, "eos_token_id": 2}),
    "Pegasus": ("PegasusForConditionalGeneration", word_pair, _PAIR),
    "Marian": ("MarianMTModel", word_pair, _PAIR),
    "ViT": ("ViTForImageClassification", pixels, _IMAGE),
    "DeiT": ("DeiTForImageClassification", pixels, _IMAGE),
    "Beit": ("BeitForImageClassification", pixels, _IMAGE),
    "Dinov2": ("Dinov2ForImageClassification", pixels, _IMAGE),
    "Swin": (
        "SwinForImageClassification",
        pixels,
        {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    ),
    "Swinv2": (
        "Swinv2ForImageClassification",
        pixels,
        {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    ),
    "ConvNextV2": (
        "ConvNextV2ForImageClassification",
        pixels,
        {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 2, 1]},
    ),
    "ResNet": (
        "ResNetForImageClassification",
        pixels,
        {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1]},
    ),
    "MobileNetV2": ("MobileNetV2ForImageClassification", pixels, {"image_size": 32, "depth_multiplier": 0.5}),
    "Segformer": (
        "SegformerForSemanticSegmentation",
        pixels,
        {
            "hidden_sizes": [8, 16, 24, 32],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 3, 4],
            "decoder_hidden_size": 16,
        },
    ),
    "CLIP": (
        "CLIPModel",
        pixels_and_words,
        {
            "text_config": {**_WIDE, **_TEXT, "eos_token_id": 2, "bos_token_id": 1},
            "vision_config": {**_WIDE, "image_size": 32, "patch_size": 8},
            "projection_dim": 16,
        },
    ),
    "Wav2Vec2": (
        "Wav2Vec2ForCTC",
        sound,
        {
            **_WIDE,
            "vocab_size": 20,
            "conv_dim": (16, 16, 16),
            "conv_stride": (5, 2, 2),
            "conv_kernel": (10, 3, 3),
            "num_conv_pos_embeddings": 8,
            "num_conv_pos_embedding_groups": 2,
        },
    ),
}


def _transformer(kind: str, inputs: Callable[[], Inputs], settings: dict[str, Any]) -> tuple[Any, Inputs]:
    import transformers

    network = getattr(transformers, kind)
    return network(network.config_class(**settings)), inputs()


TRANSFORMERS = [
    Stranger(f"transformers:{name}", "transformers", partial(_transformer, *row))
    for name, row in TRANSFORMERS_TABLE.items()
]


def _detector(name: str) -> tuple[Any, Inputs]:
    import torch
    import torchvision

    sizes: dict[str, Any] = {} if name.startswith("ssd") else {"min_size": 96, "max_size": 128}
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=5, **sizes)
    return model, ([torch.rand(3, 96, 96)],)


def _vision(name: str, inputs: Callable[[], Inputs]) -> tuple[Any, Inputs]:
    import torchvision

    more = {"weights_backbone": None} if "resnet50" in name or "mobilenet" in name else {}
    return torchvision.models.get_model(name, weights=None, **more), inputs()


def video() -> Any:
    import torch

    return torch.randn(1, 3, 8, 32, 32)


DETECTORS = (
    "fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn", "fcos_resnet50_fpn", "retinanet_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large", "maskrcnn_resnet50_fpn",
)  # fmt: skip
TORCHVISION = [
    *(Stranger(f"torchvision:{name}", "torchvision", partial(_detector, name)) for name in DETECTORS),
    *(
        Stranger(f"torchvision:{name}", "torchvision", partial(_vision, name, image))
        for name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")
    ),
    *(
        Stranger(f"torchvision:{name}", "torchvision", partial(_vision, name, video))
        for name in ("r3d_18", "mc3_18", "r2plus1d_18")
    ),
]


def _timm(name: str, side: int) -> tuple[Any, Inputs]:
    import timm

    return timm.create_model(name, num_classes=10), image(side)


TIMM_SIDES = {
    96: (
        "mobilenetv4_conv_small", "repvit_m0_9", "efficientvit_b0", "mambaout_femto", "starnet_s1", "hgnetv2_b0",
        "convnextv2_atto", "edgenext_xx_small", "inception_next_atto", "ghostnetv3_100", "lcnet_050", "mobileone_s0",
        "fastvit_t8", "fasternet_t0", "rexnetr_200", "tf_efficientnetv2_b0",
    ),
    224: (
        "vit_tiny_patch16_224", "tiny_vit_5m_224", "levit_128s", "xcit_nano_12_p16_224", "swiftformer_xs", "shvit_s1",
    ),
}  # fmt: skip
TIMM = [
    Stranger(f"timm:{name}", "timm", partial(_timm, name, side)) for side, names in TIMM_SIDES.items() for name in names
]

STRANGERS = (*ULTRALYTICS, *SMP, *MONAI, *DIFFUSERS, *TRANSFORMERS, *TORCHVISION, *TIMM)
