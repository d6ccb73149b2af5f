"""One direction of imports, and no torch where a DAW's client or a preset converter starts."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "diffusers", "transformers", "matplotlib", "pedalboard")
LIGHT = [
    "sds_bridge",
    "sds_bridge.errors",
    "sds_bridge.audio",
    "sds_bridge.patch",
    "sds_bridge.synths",
    "sds_bridge.synths.parameters",
    "sds_bridge.synths.fm_parameters",
    "sds_bridge.synths.modal_parameters",
    "sds_bridge.formats.catalog",
    "sds_bridge.host",
    "sds_bridge.host.plugin",
    "sds_bridge.host.scan",
    "sds_bridge.host.mapping",
    "sds_bridge.host.learn",
    "sds_bridge.priors",
    "sds_bridge.priors.catalog",
    "sds_bridge.priors.vocabulary",
    "sds_bridge.evaluation",
    "sds_bridge.tasks",
    "sds_bridge.tasks.requests",
    "sds_bridge.tasks.engines.catalog",
    "sds_bridge.tasks.folder",
    "sds_bridge.tasks.midi",
    "sds_bridge.tasks.session",
    "sds_bridge.daemon.store",
    "sds_bridge.daemon.osc",
    "sds_bridge.daemon.client",
    "sds_bridge.daemon.app",
    "sds_bridge.daemon.http.server",
    "sds_bridge.daemon.renderer",
    "sds_bridge.daemon.worker",
    "sds_bridge.cli",
]


@pytest.mark.parametrize("name", LIGHT)
def test_imports_nothing_heavy(name):
    code = f"import sys, {name}; print(*[heavy for heavy in {HEAVY} if heavy in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


def test_imports_go_one_way():
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter, "lint-imports is not installed; run make install"
    found = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout[-3000:]


def test_the_check_itself_sees_torch():
    assert importlib.util.find_spec("torch")
    code = "import sys, sds_bridge.synths.catalog; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "True"
