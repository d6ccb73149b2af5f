"""Nothing that runs what it reads: no pickle, no torch.load, no eval, no archive that picks its own paths."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sds_bridge"
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "xml"}
CALLS = {"torch.load", "eval", "exec", "os.system", "os.popen", "pd.read_pickle", "torch.hub.load", "torch.jit.load"}
METHODS = {"load_state_dict_from_url", "unpack_archive"}


def faults(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
            names += [f"{node.module}.{name}" for name in names]
        found += [f"{node.lineno}: import {n}" for n in names if n.split(".")[0] in MODULES or n in CALLS]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            *_, last = called.split(".")
            if called in CALLS or last in METHODS:
                found.append(f"{node.lineno}: {called}")
            if last == "extractall" and keywords.get("filter") != "'data'":
                found.append(f"{node.lineno}: {called} without filter='data'")
            if called in ("np.load", "numpy.load") and keywords.get("allow_pickle") != "False":
                found.append(f"{node.lineno}: {called} without allow_pickle=False")
            if keywords.get("trust_remote_code", "False") != "False":
                found.append(f"{node.lineno}: {called} with trust_remote_code")
            weights = last == "from_pretrained" and not called.endswith("Processor.from_pretrained")
            if weights and keywords.get("use_safetensors") != "True":
                found.append(f"{node.lineno}: {called} without use_safetensors=True")
            if keywords.get("shell") == "True":
                found.append(f"{node.lineno}: {called} through a shell")
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


def test_there_are_files():
    assert len(FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_reads_nothing_that_it_would_run(file):
    assert faults(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "eval('1')",
        "tar.extractall('x')",
        "tar.extractall('x', filter='fully_trusted')",
        "Pipeline.from_pretrained('x')",
        "Pipeline.from_pretrained('x', use_safetensors=True, trust_remote_code=True)",
        "subprocess.run('x', shell=True)",
    ],
)
def test_the_check_itself_sees(source):
    assert faults(source)
