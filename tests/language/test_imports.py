"""The words need no heavy library."""

from __future__ import annotations

import subprocess
import sys


def test_language_imports_without_torch() -> None:
    code = "import sys, mien.language; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
