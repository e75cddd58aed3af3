"""The public names, each with the module it comes from: `__init__.py` reads them here, and type checkers do."""

from . import sparse as sparse
from .channels import (
    Plan as Plan,
    Pruned as Pruned,
    ShrinkReport as ShrinkReport,
    cut as cut,
    load as load,
    plan as plan,
    recalibrate as recalibrate,
    save as save,
    shrink as shrink,
)
from .channels.by_name import prune_channels as prune_channels
from .compress import (
    Compressed as Compressed,
    CompressedFile as CompressedFile,
    compress as compress,
    compress_file as compress_file,
)
from .cost import LayerCost as LayerCost, NetworkCost as NetworkCost, count_cost as count_cost
from .coupling import ChannelGroup as ChannelGroup, channel_groups as channel_groups
from .data import Dataset as Dataset, Split as Split, load_data as load_data
from .errors import (
    InputError as InputError,
    MissingError as MissingError,
    PrunusError as PrunusError,
    StoreError as StoreError,
    TrialsFailedError as TrialsFailedError,
)
from .export import (
    WrittenFile as WrittenFile,
    read_network as read_network,
    write_integers as write_integers,
    write_onnx as write_onnx,
    write_safetensors as write_safetensors,
)
from .measure import MemoryHost as MemoryHost, Sample as Sample, Variant as Variant, measure_latency as measure_latency
from .models import build_model as build_model
from .prune import apply_masks as apply_masks
from .prune.criteria import Criterion as Criterion, Evidence as Evidence
from .quantization import Quantized as Quantized, quantize as quantize
from .reconstruct import LayerError as LayerError, Reconstructed as Reconstructed, reconstruct as reconstruct
from .report import build_report as build_report
from .results import FinalNetwork as FinalNetwork, Results as Results, read_results as read_results
from .sensitivity.measuring import measure_sensitivity as measure_sensitivity
from .sensitivity.suggestion import (
    Curve as Curve,
    Sensitivity as Sensitivity,
    Suggestion as Suggestion,
    suggest as suggest,
)
from .spec import (
    Bits as Bits,
    Measurement as Measurement,
    Metric as Metric,
    Part as Part,
    Recipe as Recipe,
    Study as Study,
    Training as Training,
    builtin_recipes as builtin_recipes,
    builtin_studies as builtin_studies,
    load_study as load_study,
)
from .store import StudyRows as StudyRows, read_study as read_study
from .sweep.own_loop import RunningTrial as RunningTrial
from .sweep.run import Options as Options, Outcome as Outcome, run_study as run_study
from .tasks.task import Task as Task
from .train import Pruner as Pruner

__version__: str
