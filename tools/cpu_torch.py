"""Install torch and torchvision without CUDA, where that is another build than PyPI's, and say what comes instead.

    python tools/cpu_torch.py requirements.lock https://download.pytorch.org/whl/cpu

On Linux with x86 processors PyPI's torch brings CUDA, and an environment with it takes 5.5 GB. The pins of the lock
file are met by either. Whoever has an NVIDIA GPU gets PyPI's.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path


def main(lock: str, index: str) -> None:
    """Leave it to what follows, which installs the lock file, where this is not the way."""
    nvidia = Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi")
    if nvidia or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("installing torch as PyPI has it for this machine", file=sys.stderr)
        return
    pins = re.findall(r"^(torch|torchvision)==(.+)$", Path(lock).read_text(), flags=re.MULTILINE)
    wanted = [f"{name}=={version}+cpu" for name, version in pins]
    print(f"installing {' and '.join(wanted)} from {index}: about 200 MB without CUDA", file=sys.stderr)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "--timeout",
        "15",
    ]
    done = subprocess.run([*pip, "--index-url", index, *wanted], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        print(
            f"that cannot be had here ({reason}); PyPI's torch takes its place, with CUDA: 5.5 GB in the environment",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
