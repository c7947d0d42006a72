"""What tests in several files need."""

import os

import pytest


@pytest.fixture
def locked_folder(tmp_path):
    """A folder that this test may not write to, not even where root runs it: it becomes another user meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no permissions of users on this system")
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield tmp_path
    if root:
        os.seteuid(0)
    tmp_path.chmod(0o700)
