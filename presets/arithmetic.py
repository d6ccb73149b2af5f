"""The same bits on every x86-64 processor with AVX2, whoever made it: what `make.py` runs in.

A tune is some hundred thousand float operations in a row, and one last bit that rounds otherwise ends as another patch.
Libraries choose their kernels by the processor's features and by its maker; here each is told what to take. MKL's only
mode that is equal on processors of all makers is several times slower, and nearly all of that is in the prior's matrix
products: those go through NumPy's OpenBLAS, whose Haswell kernels are chosen by name.
"""

from __future__ import annotations

import os
import sys
import warnings

import numpy as np

ENVIRONMENT = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_ICL,AVX512_SPR",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


def enter() -> None:
    """Start this program again with ENVIRONMENT, which libraries read only once; returns when it holds."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ENVIRONMENT)


def matrix_products_by_openblas() -> None:
    """Replace torch's float32 products on the CPU, for as long as this process lives."""
    import torch

    def mm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))

    def addmm(
        bias: torch.Tensor, a: torch.Tensor, b: torch.Tensor, *, beta: float = 1, alpha: float = 1
    ) -> torch.Tensor:
        product = mm(a, b)
        if alpha != 1:
            product *= alpha
        return product.add_(bias if beta == 1 else bias * beta)

    _kept.append(library := torch.library.Library("aten", "IMPL"))
    with warnings.catch_warnings(action="ignore"):  # that the kernels were there
        library.impl("mm", mm, "CPU", allow_override=True)
        library.impl("addmm", addmm, "CPU", allow_override=True)


_kept: list[object] = []
