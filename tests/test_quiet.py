"""What libraries print is held back, and shown where they fail."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_library_prints_is_shown_where_it_fails(fails):
    code = (
        "import os; from mien.quiet import quiet_library\n"
        "with quiet_library():\n"
        "    print('hello'); os.write(2, b'warning: old\\nE0000 00:00:1 1 a.cc:1] real\\n')\n"
        f"    {'raise ValueError(3)' if fails else 'pass'}\n"
        "print('data')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "real" in ran.stderr
    assert ("hello" in ran.stderr) == ("old" in ran.stderr) == fails
    assert ran.stdout == ("" if fails else "data\n")
