"""Every option under torch.compile(fullgraph=True) and torch.export."""

import subprocess
import sys
from pathlib import Path


def test_the_compile_checks_pass():
    """In a process of its own: torch.compile can't see through the tests' checks of types and shapes."""
    checks = Path(__file__).with_name("option_compile_checks.py")
    plain = "addopts=--import-mode=importlib --strict-markers"
    command = [sys.executable, "-m", "pytest", "-q", "-o", plain, str(checks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
