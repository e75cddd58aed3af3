"""OpenVINO beside what else is in a process."""

import signal
import subprocess
import sys

SIGNALLED = """
import faulthandler, gc, os, signal, sys
from pathlib import Path
import torch
from torch import nn
from prunus.measure import NetworkFiles, Variant, runtime_of

faulthandler.enable()  # gives signals a stack of their own, as pytest does
told = []
signal.signal(signal.SIGCHLD, lambda *_: told.append(1))  # as data loaders do
runtime = runtime_of("openvino")
loaded = []
for name in ("first", "second"):
    example = torch.zeros(1, 4)
    file = runtime.write(NetworkFiles(nn.Linear(4, 3).eval(), example, Path(sys.argv[1]) / name))
    loaded.append(runtime.load(Variant(input_shape=(4,), files={"openvino": file.path}), example.numpy(), 1))
while loaded:
    del loaded[0]
    gc.collect()
os.kill(os.getpid(), signal.SIGCHLD)
assert told
"""


def test_a_signal_after_networks_were_let_go_of_is_handled(tmp_path):
    done = subprocess.run([sys.executable, "-c", SIGNALLED, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode != -signal.SIGSEGV
    assert done.returncode == 0, done.stderr
